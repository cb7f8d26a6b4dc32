"""Who answers instead, when a service fails, and when nobody may."""

from __future__ import annotations

from tests.hostile.build import (
    FALL,
    OWN,
    ok,
    owned,
    play,
    refused,
    request,
    sent,
)  # fmt: skip
from tests.hostile.case import Act, Answer, Case, Close, Pause, Play, Reset, Upstream

_LEGACY = play(ok(b"legacy"))


def cases() -> list[Case]:
    """Every case of this subject."""
    return [*_fallbacks(), *_no_fallback(), *_begun()]


def _fallbacks() -> list[Case]:
    found = []
    about = "The service failed before its first byte; legacy has the answer still."
    failures: dict[str, tuple[Act, ...]] = {
        "closes": (Close(),),
        "resets": (Reset(),),
        "closes in its head": (b"HTTP/1.1 200 OK\r\nContent-Le", Close()),
        "says 500": (ok(b"oops", status="500 Oops"),),
        "says 503": (ok(b"oops", status="503 Busy"),),
        "says 599": (ok(b"oops", status="599 Odd"),),
        "speaks SSH": (b"SSH-2.0-OpenSSH_9.6\r\n", Close()),
        "frames in two ways": (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        "says 101": (b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",),
        "is silent": (Pause(7.0),),
        "dies in a small body": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", Pause(0.05), Close()),
        "dies in a small chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", Close()),
    }
    for name, acts in failures.items():
        wanted = (Upstream(head=sent("GET", FALL), to="own"), Upstream(head=sent("GET", FALL), to="legacy"))
        found.append(
            owned(
                f"fallback: the service {name}",
                "fallback",
                about,
                request("GET", FALL),
                (Play(acts), _LEGACY),
                Answer(200, b"legacy"),
                upstream=wanted,
                only_ours=True,
                closed=False,
            )
        )
    wanted = (Upstream(to="own"), Upstream(to="legacy"))
    hints = (Play((b"HTTP/1.1 103 Early Hints\r\n\r\n", Pause(0.05), Close())), _LEGACY)
    one, legacy = request("GET", FALL), Answer(200, b"legacy", interim=(103,))
    name = "fallback: the service dies behind early hints"
    found.append(owned(name, "fallback", about, one, hints, legacy, upstream=wanted, only_ours=True))
    head = (Play((Close(),)), play(b"HTTP/1.1 200 OK\r\n\r\n"))
    found.append(
        owned(
            "fallback: of a HEAD",
            "fallback",
            about,
            request("HEAD", FALL),
            head,
            Answer(200, b"", no_body=True),
            upstream=wanted,
            only_ours=True,
        )
    )
    about = "Where legacy fails too, the service's own words are better than ours."
    both = (play(ok(b"oops", status="500 Oops")), play(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"))
    found.append(
        owned(
            "fallback: legacy fails too",
            "fallback",
            about,
            request("GET", FALL),
            both,
            Answer(500, b"oops"),
            upstream=wanted,
            only_ours=True,
        )
    )
    return found


def _no_fallback() -> list[Case]:
    found = []
    about = "It may have been carried out, or is not legacy's to answer."
    dies, oops = Play((Close(),)), play(ok(b"oops", status="500 Oops"))
    post = request("POST", FALL, body=b"hello")
    for name, (one, plays, answer, body) in {
        "of a POST": (post, (dies,), refused(502), b"hello"),
        "of a POST with 500": (post, (oops,), Answer(500, b"oops"), b"hello"),
        "of a GET with a body": (request("GET", FALL, body=b"hello"), (dies,), refused(502), b"hello"),
        "of an override": (
            request("GET", FALL, "X-HTTP-Method-Override: DELETE"),
            (dies,),
            refused(502),
            b"",
        ),
        "of _method": (request("GET", f"{FALL}?_method=DELETE"), (dies,), refused(502), b""),
        "of 404": (request("GET", FALL), (play(ok(b"no", status="404 No")),), Answer(404, b"no"), b""),
        "of a retired route": (request("GET", OWN), (dies,), refused(502), b""),
        "of a retired route with 500": (request("GET", OWN), (oops,), Answer(500, b"oops"), b""),
    }.items():
        rule = "override" if "override" in name or "_method" in name else "fallback"
        wanted = (Upstream(body=body, to="own"),)
        found.append(
            owned(f"no fallback: {name}", rule, about, one, plays, answer, upstream=wanted, only_ours=True)
        )
    return found


def _begun() -> list[Case]:
    found = []
    about = "Its first bytes are at the client: it is cut, and nobody else's bytes follow."
    large = b"x" * 300_000
    begun: dict[str, tuple[Act, ...]] = {
        "a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 600000\r\n\r\n" + large, Pause(0.1), Close()),
        "chunks": (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n" + large + b"\r\n",
            Pause(0.3),
            Close(),
        ),
        "a bad chunk": (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n" + large + b"XX",
            Pause(0.3),
        ),
    }
    for name, acts in begun.items():
        wanted = (Upstream(to="own"),)
        answer = Answer(200, whole=False)
        found.append(
            owned(
                f"begun: {name}",
                "cut",
                about,
                request("GET", FALL),
                (Play(acts),),
                answer,
                upstream=wanted,
                only_ours=True,
                closed=True,
            )
        )
    return found
