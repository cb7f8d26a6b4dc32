"""WebSocket: a tunnel, and everything that must not become one."""

from __future__ import annotations

from dataclasses import replace

from tests.hostile.build import AT, KEY_ACCEPT, SOCKET, latin, ok, refused, request
from tests.hostile.case import (
    Answer,
    Case,
    Close,
    Echo,
    Expect,
    HalfClose,
    Pause,
    Play,
    Read,
    Reset,
    Step,
    Upstream,
)

_SMUGGLED = request("GET", f"{AT}/smuggled")
_UP = ("Connection: Upgrade", "Upgrade: websocket")
_KEYS = (f"Sec-WebSocket-Key: {KEY_ACCEPT[0]}", "Sec-WebSocket-Version: 13")
_ASKED = request("GET", SOCKET, *_UP, *_KEYS)
_101 = "HTTP/1.1 101 Switching Protocols"
_ACCEPT = f"Sec-WebSocket-Accept: {KEY_ACCEPT[1]}"


def _switch(*headers: str) -> bytes:
    return latin("\r\n".join([_101, *headers, "", ""]))


_GOOD = _switch("Upgrade: websocket", "Connection: Upgrade", _ACCEPT)
_TUNNEL = Answer(101, has=(("Sec-WebSocket-Accept", KEY_ACCEPT[1]), ("Upgrade", "websocket")))


def cases() -> list[Case]:
    """Every case of this subject."""
    return [*_tunnels(), *_bad_answers(), *_declined()]


def _tunnels() -> list[Case]:
    """What a tunnel carries, from its first byte to its end."""
    about = "After a 101 that proves itself, bytes pass both ways as they are."
    wanted = Upstream(
        line=latin(f"GET {SOCKET} HTTP/1.1"),
        has=(("Upgrade", "websocket"), ("Sec-WebSocket-Key", KEY_ACCEPT[0]), ("Sec-WebSocket-Version", "13")),
        lacks=("Content-Length", "Transfer-Encoding"),
        tunnelled=b"\x81\x05hello",
        to="legacy",
    )
    echo = (Play((_GOOD, Echo())),)
    found = []
    for name, (steps, plays, tail) in {
        "a frame": ((_ASKED, Read(1), b"\x81\x05hello"), echo, b"\x81\x05hello"),
        "a frame in two pieces": (
            (_ASKED, Read(1), b"\x81\x05he", Pause(0.05), b"llo"),
            echo,
            b"\x81\x05hello",
        ),
        "a frame behind the head": (
            (_ASKED + b"\x81\x05hello",),
            (Play((Pause(0.2), _GOOD, Echo())),),
            b"\x81\x05hello",
        ),
        "a frame before the 101": (
            (_ASKED, Pause(0.1), b"\x81\x05hello"),
            (Play((Pause(0.4), _GOOD, Echo())),),
            b"\x81\x05hello",
        ),
        "a frame behind the 101": (
            (_ASKED, Read(1), b"\x81\x05hello"),
            (Play((_GOOD + b"\x81\x02hi", Echo())),),
            b"\x81\x02hi\x81\x05hello",
        ),
    }.items():
        found.append(_tunnel(name, about, steps, plays, wanted, tail))
    smuggled = _tunnel(
        "a request in it", about, (_ASKED, Read(1), _SMUGGLED), echo, _carrying(_SMUGGLED), _SMUGGLED
    )
    big = bytes(range(256)) * 2000
    found += [smuggled, _tunnel("500 KB", about, (_ASKED, Read(1), big), echo, _carrying(big), big)]
    slow = (Play((Pause(0.3), _GOOD, Echo())),)
    found.append(_tunnel("500 KB before the 101", about, (_ASKED + big,), slow, _carrying(big), big))
    ends: dict[str, Step] = {"FIN": HalfClose(), "close": Close(), "RST": Reset()}
    for name, step in ends.items():
        until_the_end: tuple[Step, ...] = (_ASKED, Read(1), b"\x81\x05hello", Pause(0.1), step, Pause(0.2))
        expect = Expect(upstream=(replace(wanted, ended=True),), any_answer=True)
        found.append(
            Case(
                f"tunnel: the client's {name}",
                "tunnel",
                "The upstream hears of it.",
                until_the_end,
                expect,
                echo,
            )
        )
    moved = SOCKET.replace("/ws/", "/wslive/")
    steps = (request("GET", moved, *_UP, *_KEYS), Read(1), b"\x81\x05hello")
    there = Upstream(line=latin(f"GET {moved} HTTP/1.1"), tunnelled=b"\x81\x05hello", to="service")
    found.append(_tunnel("on a route that has moved", about, steps, echo, there, b"\x81\x05hello"))
    closing = (Play((_GOOD, b"\x88\x00", Close())),)
    expect = Expect((_TUNNEL,), (Upstream(),), True, tail=b"\x88\x00")
    found.append(
        Case("tunnel: the upstream's end", "tunnel", "The client hears of it.", (_ASKED,), expect, closing)
    )
    for name, up in {
        "in other letters": ["CONNECTION: keep-alive, uPgRaDe", "UPGRADE: WebSocket"],
        "Upgrade first": ["Upgrade: websocket", "Connection: Upgrade"],
        "on two lines": ["Connection: keep-alive", "Upgrade: websocket", "Connection: Upgrade"],
    }.items():
        steps = (request("GET", SOCKET, *up, *_KEYS), Read(1), b"\x81\x05hello")
        loose = Upstream(line=wanted.line, tunnelled=b"\x81\x05hello")
        found.append(_tunnel(name, "It asks for the same.", steps, echo, loose, b"\x81\x05hello"))
    return found


def _carrying(data: bytes) -> Upstream:
    return Upstream(line=latin(f"GET {SOCKET} HTTP/1.1"), tunnelled=data)


def _tunnel(
    name: str, about: str, steps: tuple[Step, ...], plays: tuple[Play, ...], wanted: Upstream, tail: bytes
) -> Case:
    answer = Answer(101) if name[0] in "iUo" else _TUNNEL
    return Case(
        f"tunnel: {name}", "tunnel", about, steps, Expect((answer,), (wanted,), False, tail=tail), plays
    )


def _bad_answers() -> list[Case]:
    """A 101 that does not prove that the upstream speaks WebSocket opens nothing."""
    found = []
    up, connection = "Upgrade: websocket", "Connection: Upgrade"
    for name, headers in {
        "no Accept": [up, connection],
        "an empty Accept": [up, connection, "Sec-WebSocket-Accept:"],
        "another Accept": [up, connection, "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA="],
        "the key as Accept": [up, connection, f"Sec-WebSocket-Accept: {KEY_ACCEPT[0]}"],
        "Accept in other letters": [up, connection, f"Sec-WebSocket-Accept: {KEY_ACCEPT[1].lower()}"],
        "two Accepts": [up, connection, _ACCEPT, "Sec-WebSocket-Accept: AAAA"],
        "no Upgrade": [connection, _ACCEPT],
        "another Upgrade": ["Upgrade: h2c", connection, _ACCEPT],
        "no Connection": [up, _ACCEPT],
        "another Connection": [up, "Connection: keep-alive", _ACCEPT],
        "nothing": [],
    }.items():
        steps = (_ASKED, Read(1), Pause(0.05), _SMUGGLED)
        expect = Expect((refused(502),), (Upstream(line=latin(f"GET {SOCKET} HTTP/1.1")),), None)
        about = "No byte passes through what could be somebody else's answer."
        case = Case(
            f"tunnel: a 101 with {name}",
            "tunnel",
            about,
            (steps[0],),
            expect,
            (Play((_switch(*headers), Echo())),),
        )
        found.append(case)
    for name, status in {"000": "000", "100 for ever": "100 Continue"}.items():
        line = latin(f"HTTP/1.1 {status}\r\n\r\n")
        expect = Expect((refused((502, 504)),), (Upstream(),), None)
        found.append(
            Case(
                f"tunnel: {name} instead",
                "tunnel",
                "It is no answer.",
                (_ASKED,),
                expect,
                (Play((line, Close())),),
            )
        )
    return found


def _declined() -> list[Case]:
    found = []
    wanted = Upstream(line=latin(f"GET {SOCKET} HTTP/1.1"))
    about = "Nothing was opened: what the client sent behind its wish goes nowhere."
    for status in ("200 OK", "400 Bad Request", "404 Not Found", "426 Upgrade Required", "500 Oops"):
        steps = (_ASKED, Read(1))
        answers = (Answer(int(status[:3]), b"no"),)
        plays = (Play((ok(b"no", status=status),)),)
        expect = Expect(answers, (wanted,))
        found.append(
            Case(
                f"tunnel: declined with {status[:3]}",
                "tunnel",
                "The answer passes as it is.",
                steps,
                expect,
                plays,
            )
        )
        if status[:3] in ("200", "426"):
            early = (_ASKED + b"\x81\x05hello" + _SMUGGLED,)
            expect = Expect(answers, (wanted,), True)
            slow = (Play((Pause(0.1), ok(b"no", status=status))),)
            found.append(
                Case(
                    f"tunnel: declined with {status[:3]}, bytes behind", "tunnel", about, early, expect, slow
                )
            )
    return found
