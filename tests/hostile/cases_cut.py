"""Upstreams that interrupt themselves or break off: interim answers, silence, and early ends."""

from __future__ import annotations

from tests.hostile.build import OWN, chunked, ok, owned, play, refused, request
from tests.hostile.case import Act, Answer, Case, Close, HalfClose, Pause, Play, Reset

_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_LAST = b"0\r\n\r\n"


def cases() -> list[Case]:
    """Every case of this subject."""
    return [*_interim(), *_nothing(), *_cut(), *_cut_chunks(), *_cut_without_a_length()]


def _interim() -> list[Case]:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    last = ok(b"ok")
    found = []
    for name, (answer, interim) in {
        "early hints": (hint + last, (103,)),
        "two early hints": (hint + hint + last, (103, 103)),
        "8 early hints": (hint * 8 + last, (103,) * 8),
        "100 that nobody asked for": (b"HTTP/1.1 100 Continue\r\n\r\n" + last, ()),
        "102": (b"HTTP/1.1 102 Processing\r\n\r\n" + last, ()),
        "8 of 100": (b"HTTP/1.1 100 Continue\r\n\r\n" * 8 + last, ()),
    }.items():
        about = "100 is ours to say, 103 is for the client."
        found.append(
            owned(
                f"interim: {name}",
                "interim",
                about,
                request("GET", OWN),
                (play(answer),),
                Answer(200, b"ok", interim=interim),
                closed=False,
            )
        )
    old = request("GET", OWN, version="HTTP/1.0")
    about = "A client of HTTP/1.0 would take it for the answer."
    found.append(
        owned(
            "interim: early hints to HTTP/1.0",
            "interim",
            about,
            old,
            (play(hint + last),),
            Answer(200, b"ok", interim=()),
            closed=True,
        )
    )
    for name, answer in {
        "9 early hints": hint * 9 + last,
        "9 of 100": b"HTTP/1.1 100 Continue\r\n\r\n" * 9 + last,
        "10,000 early hints": hint * 10_000 + last,
        "199 with a body": b"HTTP/1.1 199 X\r\nContent-Length: 5\r\n\r\nhello" + last,
        "103 with a body": b"HTTP/1.1 103 X\r\nContent-Length: 5\r\n\r\nhello" + last,
        "100 with chunks": b"HTTP/1.1 100 X\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"hello") + last,
        "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        + last,
        "101 without a word": b"HTTP/1.1 101 X\r\n\r\n" + last,
    }.items():
        rule = (
            "unasked_101"
            if name.startswith("101")
            else "answer_limits"
            if "0" in name[:6] and "with" not in name
            else "answer_framing"
        )
        about = "The client gets one answer, and no byte of a body that cannot be there."
        found.append(
            owned(f"interim: {name}", rule, about, request("GET", OWN), (play(answer),), refused(502))
        )
    said = hint.replace(b"Link:", b"Content-Length: 0\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nLink:")
    about = "What is left of it is passed on; it frames nothing."
    found.append(
        owned(
            "interim: early hints with a length",
            "interim",
            about,
            request("GET", OWN),
            (play(said + last),),
            Answer(200, b"ok", or_502=True),
            closed=None,
        )
    )
    return found


def _nothing() -> list[Case]:
    found = []
    nothing: dict[str, tuple[Act, ...]] = {
        "closes": (Close(),),
        "resets": (Reset(),),
        "closes in the line": (b"HTTP/1.1 2", Close()),
        "closes in the head": (b"HTTP/1.1 200 OK\r\nContent-Le", Close()),
        "closes behind the fields": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", Close()),
        "closes behind an interim answer": (b"HTTP/1.1 103 Early Hints\r\n\r\n", Pause(0.05), Close()),
        "speaks SSH": (b"SSH-2.0-OpenSSH_9.6\r\n", Pause(0.05), Close()),
        "speaks TLS": (b"\x15\x03\x01\0\2\2\x46", Pause(0.05), Close()),
        "sends zeros": (b"\0" * 500, Close()),
        "sends blank lines": (b"\r\n" * 50_000, Close()),
    }
    for name, acts in nothing.items():
        about = "There is no answer, and the client is told so."
        found.append(
            owned(f"nothing: {name}", "answer_line", about, request("GET", OWN), (Play(acts),), refused(502))
        )
    about = "It says nothing for longer than the plan allows."
    found.append(
        owned(
            "nothing: is silent",
            "answer_line",
            about,
            request("GET", OWN),
            (Play((Pause(7.0), ok(b"late"))),),
            refused(504),
        )
    )
    return found


def _cut() -> list[Case]:
    """The client must see that something is missing."""
    found = []
    ends: dict[str, Act] = {"FIN": HalfClose(), "close": Close(), "RST": Reset()}
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
    for name, acts in {
        "a length": (head + b"hello",),
        "a length without a byte": (head,),
        "a length, all but one": (head + b"helloworl",),
        "a large length": (b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + b"x" * 500_000,),
        "a chunk": (_CHUNKS + b"5\r\nhel",),
        "a chunk without its end": (_CHUNKS + b"5\r\nhello",),
        "a whole chunk": (_CHUNKS + b"5\r\nhello\r\n",),
        "the line of a chunk": (_CHUNKS + b"5\r\nhello\r\n5",),
        "the last chunk's line": (_CHUNKS + b"5\r\nhello\r\n0\r\n",),
        "the last chunk without its LF": (_CHUNKS + b"5\r\nhello\r\n0\r\n\r",),
        "a trailer": (_CHUNKS + b"5\r\nhello\r\n0\r\nX-T: 1\r\n",),
        "no chunk": (_CHUNKS,),
    }.items():
        for end, act in ends.items():
            plays = (Play((*acts, Pause(0.1), act)),)
            about = "What has begun is never completed by us."
            answer = Answer(200, whole=False, or_502=True)
            found.append(
                owned(
                    f"cut: {end} behind {name}", "cut", about, request("GET", OWN), plays, answer, within=10.0
                )
            )
    return found


def _cut_without_a_length() -> list[Case]:
    """Where only the connection's end ends a body, RST is no end."""
    found = []
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    answer = Answer(200, whole=False, or_502=True)
    about = "RST is no end: the client must see that it is not."
    for name, body in {"half of it": b"hel", "nothing of it": b"", "100 KB of it": b"x" * 100_000}.items():
        plays = (Play((head + body, Pause(0.1), Reset())),)
        title = f"cut: RST behind {name}, to the end"
        found.append(owned(title, "cut", about, request("GET", OWN), plays, answer))
    about = "HTTP/1.0 has no chunks: only RST tells that the body is not whole."
    old = request("GET", OWN, version="HTTP/1.0")
    broken: dict[str, tuple[Act, ...]] = {
        "chunks": (_CHUNKS + b"5\r\nhello\r\n", Pause(0.1), Close()),
        "a bad chunk": (_CHUNKS + b"5\r\nhello\r\n", Pause(0.1), b"zz\r\n"),
        "a body to the end": (head + b"hello", Pause(0.1), Reset()),
    }
    for name, acts in broken.items():
        found.append(owned(f"cut: {name}, to HTTP/1.0", "cut", about, old, (Play(acts),), answer))
    return found


def _cut_chunks() -> list[Case]:
    """A broken chunk in an answer that has begun."""
    found = []
    for name, body in {
        "a bad size": b"5\r\nhello\r\nzz\r\n" + _LAST,
        "a negative size": b"5\r\nhello\r\n-5\r\nhello\r\n" + _LAST,
        "a size with 0x": b"5\r\nhello\r\n0x5\r\nhello\r\n" + _LAST,
        "a size of 2^64 + 5": b"10000000000000005\r\nhello\r\n" + _LAST,
        "a size ended by LF": b"5\nhello\r\n" + _LAST,
        "a chunk ended by LF": b"5\r\nhello\n" + _LAST,
        "a longer chunk": b"5\r\nhelloX\r\n" + _LAST,
        "a shorter chunk": b"7\r\nhello\r\n" + _LAST,
        "a bare LF in an extension": b"5;a\nb\r\nhello\r\n" + _LAST,
        "an extension of 100 KB": b"5;" + b"a" * 100_000 + b"\r\nhello\r\n" + _LAST,
        "100,000 zeros": b"0" * 100_000 + b"5\r\nhello\r\n" + _LAST,
        "a trailer of 100 KB": b"5\r\nhello\r\n0\r\nX-T: " + b"a" * 100_000 + b"\r\n\r\n",
        "a folded trailer": b"5\r\nhello\r\n0\r\nX-T: 1\r\n 2\r\n\r\n",
        "a last chunk ended by LF": b"5\r\nhello\r\n0\n\r\n",
    }.items():
        rule = "chunk_limits" if "00" in name else "cut"
        answer = Answer(200, whole=False, or_502=True)
        about = "It is visibly cut, or refused where it has not begun."
        for how, acts in {"": (_CHUNKS + body,), ", late": (_CHUNKS, Pause(0.1), body)}.items():
            if how and rule == "chunk_limits":
                continue
            plays = (Play(acts),)
            found.append(
                owned(f"cut: {name}{how}", rule, about, request("GET", OWN), plays, answer, within=10.0)
            )
    return found
