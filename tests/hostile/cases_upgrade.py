"""Upgrades: the way past every rule, unless the other side of it is watched."""

from __future__ import annotations

from tests.hostile.build import (
    AT,
    KEY_ACCEPT,
    LIVE,
    SOCKET,
    chunked,
    latin,
    passed,
    refusal,
    refused,
    request,
    sent,
)  # fmt: skip
from tests.hostile.case import (
    Answer,
    Case,
    Echo,
    Expect,
    Play,
    Read,
    Upstream,
)

_SMUGGLED = request("GET", f"{AT}/smuggled")
_UP = ("Connection: Upgrade", "Upgrade: websocket")
_KEYS = (f"Sec-WebSocket-Key: {KEY_ACCEPT[0]}", "Sec-WebSocket-Version: 13")
_GOOD = latin(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Accept: {KEY_ACCEPT[1]}\r\n\r\n"
)


def cases() -> list[Case]:
    """Every case of this subject."""
    return [*_with_body(), *_removed(), *_unasked(), *_near_misses()]


def _with_body() -> list[Case]:
    about = "Parsers end the message at its head and read the body as the next request."
    found = []
    length = f"Content-Length: {len(_SMUGGLED)}"
    for target in (AT, SOCKET):
        for method in ("GET", "POST"):
            for name, upgrade in {"websocket": "websocket", "h2c": "h2c", "x": "x"}.items():
                up = ("Connection: Upgrade", f"Upgrade: {upgrade}")
                where = "a WebSocket's route" if target == SOCKET else "no route"
                title = f"upgrade: {method} to {name} on {where}"
                one = request(method, target, *up, length) + _SMUGGLED
                found.append(refusal(f"{title}, with a length", "upgrade_with_body", about, one, 400))
                one = request(method, target, *up, "Transfer-Encoding: chunked") + chunked(_SMUGGLED)
                found.append(refusal(f"{title}, with chunks", "upgrade_with_body", about, one, 400))
    for name, headers in {
        "of length 0": [*_UP, *_KEYS, "Content-Length: 0"],
        "without Connection": ["Upgrade: websocket", length],
        "with Connection behind the length": ["Upgrade: websocket", length, "Connection: Upgrade"],
        "with Connection in a list": ["Connection: keep-alive, Upgrade", "Upgrade: websocket", length],
        "in other letters": ["cOnNeCtIoN: uPgRaDe", "uPgRaDe: WebSocket", length],
        "of two protocols": ["Connection: Upgrade", "Upgrade: websocket, h2c", length],
        "on two lines": ["Connection: Upgrade", "Upgrade: x", "Upgrade: websocket", length],
    }.items():
        one = request("GET", SOCKET, *headers) + (_SMUGGLED if length in headers else b"")
        found.append(
            refusal(
                f"upgrade: with a body, {name}",
                "upgrade_with_body",
                about,
                one,
                400,
                "upgrade_with_body",
            )
        )
    return found


def _removed() -> list[Case]:
    found = []
    about = (
        "It is no WebSocket on a route that allows one: the upgrade is dropped, the request passes plainly."
    )
    for name, (method, target, headers) in {
        "websocket beside the routes": ("GET", AT, [*_UP, *_KEYS]),
        "websocket on another route": ("GET", LIVE, [*_UP, *_KEYS]),
        "h2c": (
            "GET",
            AT,
            ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQ"],
        ),
        "h2c on a WebSocket's route": ("GET", SOCKET, ["Connection: Upgrade", "Upgrade: h2c"]),
        "TLS": ("GET", SOCKET, ["Connection: Upgrade", "Upgrade: TLS/1.0"]),
        "HTTP/2.0": ("GET", AT, ["Connection: Upgrade", "Upgrade: HTTP/2.0"]),
        "an empty one": ("GET", SOCKET, ["Connection: Upgrade", "Upgrade:"]),
        "websocket by POST": ("POST", SOCKET, [*_UP, *_KEYS]),
        "websocket by OPTIONS": ("OPTIONS", SOCKET, [*_UP, *_KEYS]),
        "websocket without Connection": ("GET", SOCKET, ["Upgrade: websocket", *_KEYS]),
        "websocket, Connection names another": (
            "GET",
            SOCKET,
            ["Connection: x-up", "Upgrade: websocket", *_KEYS],
        ),
        "Connection alone": ("GET", SOCKET, ["Connection: Upgrade", *_KEYS]),
        "websocket and h2c": ("GET", SOCKET, ["Connection: Upgrade", "Upgrade: websocket, h2c", *_KEYS]),
        "websockets": ("GET", SOCKET, ["Connection: Upgrade", "Upgrade: websockets", *_KEYS]),
    }.items():
        to = "service" if target == LIVE else "legacy"
        upstream = Upstream(
            line=latin(f"{method} {target} HTTP/1.1"),
            lacks=("Upgrade", "Connection", "HTTP2-Settings"),
            to=to,
        )
        steps = (request(method, target, *headers), Read(1), request("GET", f"{AT}/next"))
        after = Upstream(head=sent("GET", f"{AT}/next"))
        found.append(
            passed(
                f"upgrade: {name} is removed", "upgrade_removed", about, steps, upstream, after, closed=False
            )
        )
    about = "A removed upgrade is none: what follows is the next request, and is judged like one."
    wish, plain = request("GET", AT, "Connection: Upgrade", "Upgrade: x"), Upstream(head=sent())
    after = Upstream(head=sent("GET", f"{AT}/smuggled"))
    found.append(
        passed("upgrade: removed, a request behind", "upgrade_removed", about, wish + _SMUGGLED, plain, after)
    )
    for name, behind in {
        "a frame": b"\x81\x05hello",
        "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "a bad request": request("POST", AT, "Content-Length: 3", "Transfer-Encoding: chunked")
        + b"0\r\n\r\n",
    }.items():
        expect = Expect((Answer(200, b"ok"), refused((400, 501, 505))), (plain,), True)
        one = (wish + behind + _SMUGGLED,)
        found.append(Case(f"upgrade: removed, {name} behind", "upgrade_removed", about, one, expect))
    return found


def _unasked() -> list[Case]:
    found = []
    for name, one in {
        "to a GET": request(),
        "to a POST": request("POST", AT, body=b"hello"),
        "to a removed upgrade": request("GET", AT, *_UP, *_KEYS),
        "to h2c on a WebSocket's route": request("GET", SOCKET, "Connection: Upgrade", "Upgrade: h2c"),
        "to a POST on a WebSocket's route": request("POST", SOCKET, *_UP, *_KEYS),
        "to a GET on a WebSocket's route": request("GET", SOCKET),
    }.items():
        body = b"hello" if b"hello" in one else b""
        expect = Expect((refused(502),), (Upstream(body=body),))
        about = "Who did not ask for a tunnel gets none."
        found.append(Case(f"101: {name}", "unasked_101", about, (one,), expect, (Play((_GOOD, Echo())),)))
    return found


def _near_misses() -> list[Case]:
    about = "HTTP/1.0 knows no upgrade (RFC 9110, 7.8)."
    old = request("GET", SOCKET, *_UP, *_KEYS, version="HTTP/1.0")
    upstream = Upstream(line=latin(f"GET {SOCKET} HTTP/1.1"), lacks=("Upgrade",))
    return [
        passed(
            "upgrade: websocket in HTTP/1.0 is removed", "upgrade_removed", about, old, upstream, closed=True
        )
    ]
