"""Upstream connections: when one is used again."""

from __future__ import annotations

from tests.hostile.build import OWN, chunked, ok, owned, play, request, thrice
from tests.hostile.case import Act, Answer, Case, Close, Pause, Play, Read, Reset, Step, Upstream

_GET = request("GET", OWN)
_HEAD = request("HEAD", OWN)
_POST = request("POST", OWN, body=b"hello")
_POISON = ok(b"poison", "Set-Cookie: session=of-somebody-else")
_ENDS: dict[str, Act] = {"closes": Close(), "resets": Reset()}
_CLEAN = Answer(200, b"clean", lacks=("Set-Cookie",))


def cases() -> list[Case]:
    """Every case of this subject."""
    return [*_reused(), *_not_reused(), *_idle()]


def _reused() -> list[Case]:
    about = "A clean answer to a whole request: the connection is good for another one."
    found = []
    for name, (one, answer, seen) in {
        "a length": (_GET, ok(b"clean"), Answer(200, b"clean")),
        "length 0": (_GET, ok(b""), Answer(200, b"")),
        "chunks": (
            _GET,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"clean"),
            Answer(200, b"clean"),
        ),
        "chunks with trailers": (
            _GET,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chunked(b"clean", trailers=b"X: 1\r\n"),
            Answer(200, b"clean"),
        ),
        "POST": (_POST, ok(b"clean"), Answer(200, b"clean")),
        "POST in chunks": (
            request("POST", OWN, "Transfer-Encoding: chunked") + chunked(b"hello"),
            ok(b"clean"),
            Answer(200, b"clean"),
        ),
        "204": (_GET, b"HTTP/1.1 204 No Content\r\n\r\n", Answer(204, b"")),
        "304": (_GET, b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n', Answer(304, b"")),
        "500": (_GET, ok(b"oops", status="500 Oops"), Answer(500, b"oops")),
        "early hints": (_GET, b"HTTP/1.1 103 Early Hints\r\n\r\n" + ok(b"clean"), Answer(200, b"clean")),
    }.items():
        body = b"hello" if one.startswith(b"POST") else b""
        wanted = (Upstream(body=body),) * 3
        plays = (play(answer),) * 3
        found.append(
            owned(
                f"reused: {name}",
                "reuse",
                about,
                thrice(one),
                plays,
                seen,
                seen,
                seen,
                upstream=wanted,
                connections=1,
                closed=False,
            )
        )
    return found


def _not_reused() -> list[Case]:
    found = []
    ntlm = "WWW-Authenticate: NTLM"
    for name, (one, acts, seen) in {
        "HEAD with a length": (_HEAD, (ok(b"clean")[:-5],), Answer(200, b"", no_body=True)),
        "204 with length 0": (
            _GET,
            (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",),
            Answer(204, b""),
        ),
        "204 with a length": (
            _GET,
            (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",),
            Answer(204, b""),
        ),
        "304 with a length": (
            _GET,
            (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",),
            Answer(304, b""),
        ),
        "Connection: close": (_GET, (ok(b"clean", "Connection: close"),), _CLEAN),
        "connection: Close in a list": (_GET, (ok(b"clean", "connection: x, Close"),), _CLEAN),
        "HTTP/1.0": (_GET, (ok(b"clean").replace(b"HTTP/1.1", b"HTTP/1.0"),), _CLEAN),
        "until the end": (_GET, (b"HTTP/1.1 200 OK\r\n\r\nclean", Close()), _CLEAN),
        "NTLM": (_GET, (ok(b"clean", ntlm, status="401 No"),), Answer(401, b"clean")),
        "Negotiate": (
            _GET,
            (ok(b"clean", "WWW-Authenticate: Negotiate abc", status="401 No"),),
            Answer(401, b"clean"),
        ),
        "ntlm behind another": (
            _GET,
            (ok(b"clean", "WWW-Authenticate: Basic", "www-authenticate: ntlm", status="401 No"),),
            Answer(401, b"clean"),
        ),
        "a login by NTLM": (
            request("GET", OWN, "Authorization: NTLM abc"),
            (ok(b"clean"),),
            Answer(200, b"clean"),
        ),
        "a login by Negotiate": (
            request("GET", OWN, "authorization: negotiate abc"),
            (ok(b"clean"),),
            Answer(200, b"clean"),
        ),
    }.items():
        about = (
            "Where the answer ends is in doubt, or whose the connection is: the next request gets a new one."
        )
        plays = (Play(acts),) * 3
        found.append(
            owned(
                f"not reused: {name}",
                "reuse",
                about,
                thrice(one),
                plays,
                seen,
                seen,
                seen,
                requests=3,
                connections=3,
            )
        )
    return found


def _idle() -> list[Case]:
    found = []
    safe, unsafe = _GET, _POST
    clean = (play(ok(b"clean")),) * 2
    for name, (one, pause, plays, connections) in {
        "GET after 0.5 s": (safe, 0.5, clean, 1),
        "GET after 1.5 s": (safe, 1.5, clean, 2),
        "POST at once": (unsafe, 0.02, clean, 1),
        "POST after 0.5 s": (unsafe, 0.5, clean, 2),
        "GET after 0.8 s, Keep-Alive: timeout=1": (
            safe,
            0.8,
            (play(ok(b"clean", "Keep-Alive: timeout=1")),) * 2,
            2,
        ),
        "GET after 0.6 s, Keep-Alive: timeout=60": (
            safe,
            0.6,
            (play(ok(b"clean", "Keep-Alive: timeout=60")),) * 2,
            1,
        ),
        "GET, the upstream closed": (safe, 0.3, (Play((ok(b"clean"), Pause(0.1), Close())), clean[0]), 2),
        "POST, the upstream closed": (
            unsafe,
            0.15,
            (Play((ok(b"clean"), Pause(0.05), Close())), clean[0]),
            2,
        ),
        "GET, the upstream reset": (safe, 0.3, (Play((ok(b"clean"), Pause(0.1), Reset())), clean[0]), 2),
    }.items():
        steps: tuple[Step, ...] = (one, Read(1), Pause(pause), one)
        body = (Upstream(body=b"hello" if one is unsafe else b""),) * 2
        about = "A connection that may be closing is not used; an unsafe request takes no chance."
        found.append(
            owned(
                f"idle: {name}",
                "idle",
                about,
                steps,
                plays,
                _CLEAN,
                _CLEAN,
                upstream=body,
                connections=connections,
                closed=False,
            )
        )
    for said in (
        "timeout=0",
        "timeout=",
        "timeout=x",
        "timeout=-1",
        "timeout=1e9",
        "timeout=" + "9" * 40,
        "=,;,",
        "max=1",
    ):
        plays = (play(ok(b"clean", f"Keep-Alive: {said}")),) * 2
        about = "Whatever it says, it is only asked when it would like to be asked."
        found.append(
            owned(
                f"idle: Keep-Alive: {said}",
                "idle",
                about,
                (_GET, Read(1), _GET),
                plays,
                _CLEAN,
                _CLEAN,
                requests=2,
                closed=False,
            )
        )
    return found
