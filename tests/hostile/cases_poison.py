"""Bytes that nobody asked for: they reach no client, and nobody trusts that upstream's connections again."""

from __future__ import annotations

from tests.hostile.build import OWN, chunked, ok, owned, play, request, thrice
from tests.hostile.case import Answer, Case, Pause, Play, Read, Step, Upstream

_GET = request("GET", OWN)
_HEAD = request("HEAD", OWN)
_POST = request("POST", OWN, body=b"hello")
_POISON = ok(b"poison", "Set-Cookie: session=of-somebody-else")
_CLEAN = Answer(200, b"clean", lacks=("Set-Cookie",))
# The answer that the bytes came with is whole; to refuse it with them is as safe.
_FIRST = Answer(200, b"clean", lacks=("Set-Cookie",), or_502=True)


def cases() -> list[Case]:
    """Every case of this subject."""
    return [*_poisons(), *_bodiless()]


def _poisons() -> list[Case]:
    """No client ever sees one of them, and each request after them gets a connection of its own."""
    found = []
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    about = "One unasked byte, and each request gets a connection of its own."
    for name, acts in {
        "a second answer": (ok(b"clean") + _POISON,),
        "a second answer behind chunks": (start + chunked(b"clean") + _POISON,),
        "a second answer, a little later": (ok(b"clean"), Pause(0.02), _POISON),
        "half an answer": (ok(b"clean") + b"HTTP/1.1 200 OK\r\nContent-Le",),
        "a body longer than its length": (ok(b"clean") + b"poison",),
        "a byte": (ok(b"clean") + b"x",),
        "a line end": (ok(b"clean") + b"\r\n",),
        "a NUL": (ok(b"clean") + b"\0",),
        "a second last chunk": (start + chunked(b"clean") + b"0\r\n\r\n",),
        "a hundred answers": (ok(b"clean") + _POISON * 100,),
        "100 KB": (ok(b"clean") + b"x" * 100_000,),
        "a 408": (ok(b"clean"), Pause(0.02), b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"),
        "early hints": (ok(b"clean") + b"HTTP/1.1 103 Early Hints\r\n\r\n",),
    }.items():
        plays = (Play(acts), play(ok(b"clean")), play(ok(b"clean")))
        found.append(
            owned(
                f"poison: {name}",
                "poison",
                about,
                thrice(_GET, 0.1),
                plays,
                _FIRST,
                _CLEAN,
                _CLEAN,
                requests=3,
                connections=3,
                closed=False,
            )
        )
    two = (_GET + _GET,)
    plays = (play(ok(b"clean") + _POISON), play(ok(b"clean")), play(ok(b"clean")))
    about = "The next request is here already: it is not answered with what was left over."
    found.append(
        owned(
            "poison: a second answer to pipelined requests",
            "poison",
            about,
            two,
            plays,
            _CLEAN,
            _CLEAN,
            requests=2,
            connections=2,
            closed=False,
            split=False,
        )
    )
    plays = (play(ok(b"clean")), play(ok(b"clean") + _POISON), play(ok(b"clean")))
    about = "Also on a connection that had been good."
    found.append(
        owned(
            "poison: with the second answer",
            "poison",
            about,
            thrice(_GET, 0.1),
            plays,
            _CLEAN,
            _CLEAN,
            _CLEAN,
            requests=3,
            connections=2,
            closed=False,
        )
    )
    plays = (play(ok(b"clean") + _POISON), play(ok(b"clean")), play(ok(b"clean")))
    body = (Upstream(body=b"hello"),) * 3
    found.append(
        owned(
            "poison: after a POST",
            "poison",
            about,
            thrice(_POST, 0.1),
            plays,
            _CLEAN,
            _CLEAN,
            _CLEAN,
            upstream=body,
            connections=3,
            closed=False,
        )
    )
    return found


def _bodiless() -> list[Case]:
    """A body where none may be: it is not passed on, and it is not the next answer either."""
    found = []
    for name, (one, answer, seen) in {
        "HEAD": (_HEAD, _POISON, Answer(200, b"", no_body=True, or_502=True)),
        "HEAD in chunks": (
            _HEAD,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(_POISON),
            Answer(200, b"", no_body=True, or_502=True),
        ),
        "204": (
            _GET,
            b"HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison",
            Answer(204, b"", lacks=("Content-Length",), or_502=True),
        ),
        "204 without a length": (
            _GET,
            b"HTTP/1.1 204 No Content\r\n\r\n" + _POISON,
            Answer(204, b"", or_502=True),
        ),
        "204 in chunks": (
            _GET,
            b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(_POISON),
            Answer(204, b"", lacks=("Transfer-Encoding",), or_502=True),
        ),
        "304": (
            _GET,
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\npoison",
            Answer(304, b"", or_502=True),
        ),
        "304 in chunks": (
            _GET,
            b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(_POISON),
            Answer(304, b"", lacks=("Transfer-Encoding",), or_502=True),
        ),
    }.items():
        about = "The client's next answer is its own."
        steps: tuple[Step, ...] = (one, Read(1), Pause(0.1), request("GET", OWN))
        plays = (play(answer), play(ok(b"clean")))
        found.append(
            owned(f"no body: {name}", "no_body", about, steps, plays, seen, _CLEAN, requests=2, connections=2)
        )
    return found
