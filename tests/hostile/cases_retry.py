"""When a request is sent again, and when never."""

from __future__ import annotations

from tests.hostile.build import OWN, chunked, ok, owned, play, refused, request
from tests.hostile.case import Act, Answer, Case, Close, Expect, Pause, Play, Read, Reset, Step, Upstream

_GET = request("GET", OWN)
_HEAD = request("HEAD", OWN)
_POST = request("POST", OWN, body=b"hello")
_POISON = ok(b"poison", "Set-Cookie: session=of-somebody-else")
_ENDS: dict[str, Act] = {"closes": Close(), "resets": Reset()}
_CLEAN = Answer(200, b"clean", lacks=("Set-Cookie",))


def cases() -> list[Case]:
    """Every case of this subject."""
    return [*_retries(), *_never_twice()]


def _retries() -> list[Case]:
    """A kept connection that dies under a request: the request is sent again only where that does no harm."""
    found = []
    first, again = play(ok(b"clean")), play(ok(b"clean"))
    for name, one in {"GET": _GET, "HEAD": _HEAD}.items():
        for how, end in _ENDS.items():
            steps: tuple[Step, ...] = (_GET, Read(1), one)
            second = again if one is _GET else play(b"HTTP/1.1 200 OK\r\n\r\n")
            seen = _CLEAN if one is _GET else Answer(200, b"", no_body=True)
            about = "It was never answered, and asking again does no harm."
            plays = (first, Play((end,)), second)
            found.append(
                owned(
                    f"retry: {name}, the upstream {how}",
                    "retry",
                    about,
                    steps,
                    plays,
                    _CLEAN,
                    seen,
                    requests=3,
                    connections=2,
                )
            )
    both = (first, Play((Close(),)), Play((Close(),)), again)
    about = "Once: a second new connection is not tried."
    found.append(
        owned(
            "retry: GET, twice dead",
            "retry",
            about,
            (_GET, Read(1), _GET),
            both,
            _CLEAN,
            refused(502),
            requests=3,
            connections=2,
        )
    )
    return found


def _never_twice() -> list[Case]:
    found = []
    first = play(ok(b"clean"))
    for name, (one, body) in {
        "POST": (_POST, b"hello"),
        "POST without a body": (request("POST", OWN, "Content-Length: 0"), b""),
        "POST in chunks": (request("POST", OWN, "Transfer-Encoding: chunked") + chunked(b"hello"), b"hello"),
        "GET with a body": (request("GET", OWN, body=b"hello"), b"hello"),
    }.items():
        for how, end in _ENDS.items():
            steps: tuple[Step, ...] = (_GET, Read(1), one)
            wanted = (Upstream(), Upstream(body=body))
            about = "It may have been carried out: it is never sent twice."
            plays = (first, Play((end,)))
            found.append(
                owned(
                    f"never twice: {name}, the upstream {how}",
                    "retry",
                    about,
                    steps,
                    plays,
                    _CLEAN,
                    refused(502),
                    upstream=wanted,
                )
            )
    for name, acts in {
        "half a line": (b"HTTP/1.1 2", Close()),
        "half a head": (b"HTTP/1.1 200 OK\r\nContent-Le", Close()),
        "an interim answer": (b"HTTP/1.1 103 Early Hints\r\n\r\n", Close()),
        "a byte": (b"H", Close()),
    }.items():
        steps = (_GET, Read(1), _GET)
        about = "An answer had begun: the request has been carried out, or is being."
        plays = (first, Play(acts))
        found.append(
            owned(
                f"never twice: GET, {name} came",
                "retry",
                about,
                steps,
                plays,
                _CLEAN,
                refused(502),
                requests=2,
            )
        )
    steps = (request("POST", OWN, "Content-Length: 10") + b"hello", Pause(0.1), b"world")
    expect = Expect((refused(502),), (), None, may_break_off=True)
    about = "Half of a body was sent: there is no second half without the first."
    found.append(
        Case(
            "never twice: POST that dies in its body",
            "retry",
            about,
            steps,
            expect,
            (Play((Close(),), early=True),),
            own=True,
        )
    )
    return found
