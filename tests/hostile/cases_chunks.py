"""Chunked bodies: every way to write a chunk that two readers could see differently, and endless ones."""

from __future__ import annotations

from tests.hostile.build import AT, chunked, passed, refusal, request, sent
from tests.hostile.case import Answer, Case, Expect, Flood, HalfClose, Pause, Step, Upstream

_HEAD = request("POST", AT, "Transfer-Encoding: chunked")
_SMUGGLED = request("GET", f"{AT}/smuggled")
_LAST = b"0\r\n\r\n"

_REFUSED: dict[str, bytes] = {
    "a size with 0x": b"0x5\r\nhello\r\n" + _LAST,
    "a negative size": b"-5\r\nhello\r\n" + _LAST,
    "a signed size": b"+5\r\nhello\r\n" + _LAST,
    "a blank before the size": b" 5\r\nhello\r\n" + _LAST,
    "a tab before the size": b"\t5\r\nhello\r\n" + _LAST,
    "a tab behind the size": b"5\t\r\nhello\r\n" + _LAST,
    "a blank in the size": b"0 5\r\nhello\r\n" + _LAST,
    "an underscore in the size": b"0_5\r\nhello\r\n" + _LAST,
    "no size": b"\r\nhello\r\n" + _LAST,
    "a letter beyond f": b"g\r\nhello\r\n" + _LAST,
    "an h behind the size": b"5h\r\nhello\r\n" + _LAST,
    "an extension without a size": b";a=b\r\nhello\r\n" + _LAST,
    "a size of 2^64 + 5": b"10000000000000005\r\nhello\r\n" + _LAST,
    "a size of 2^68 - 1": b"FFFFFFFFFFFFFFFFF\r\nhello\r\n" + _LAST,
    "a size ended by LF": b"5\nhello\r\n" + _LAST,
    "a size ended by CR": b"5\rhello\r\n" + _LAST,
    "a size ended by CR CR LF": b"5\r\r\nhello\r\n" + _LAST,
    "a chunk ended by LF": b"5\r\nhello\n" + _LAST,
    "a chunk ended by CR": b"5\r\nhello\r" + _LAST,
    "a chunk without an end": b"5\r\nhello" + _LAST,
    "a chunk longer than its size": b"5\r\nhelloX\r\n" + _LAST,
    "a chunk two longer than its size": b"5\r\nhelloXX" + _LAST,
    "a chunk shorter than its size": b"7\r\nhello\r\n" + _LAST,
    "two blank lines behind a chunk": b"5\r\nhello\r\n\r\n" + _LAST,
    "a bare LF in an extension": b"5;a\nb\r\nhello\r\n" + _LAST,
    "a bare CR in an extension": b"5;a\rb\r\nhello\r\n" + _LAST,
    "a NUL in an extension": b"5;a\0b\r\nhello\r\n" + _LAST,
    "a last chunk ended by LF": b"5\r\nhello\r\n0\n\r\n",
    "a last chunk with a blank line of LF": b"5\r\nhello\r\n0\r\n\n",
    "a last chunk with 0x": b"5\r\nhello\r\n0x0\r\n\r\n",
    "a trailer with a bare LF": b"5\r\nhello\r\n0\r\nX-T: 1\n\r\n",
    "a trailer without a colon": b"5\r\nhello\r\n0\r\nhello\r\n\r\n",
    "a trailer with a blank before its colon": b"5\r\nhello\r\n0\r\nX-T : 1\r\n\r\n",
    "a folded trailer": b"5\r\nhello\r\n0\r\nX-T: 1\r\n 2\r\n\r\n",
    "a trailer that begins with a blank": b"5\r\nhello\r\n0\r\n X-T: 1\r\n\r\n",
    "a trailer with a NUL": b"5\r\nhello\r\n0\r\nX-T: a\0b\r\n\r\n",
    "a trailer with a bare CR": b"5\r\nhello\r\n0\r\nX-T: a\rb\r\n\r\n",
    "a trailer that is a length": b"5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n",
    "a trailer that is a coding": b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a request as a trailer": b"0\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n",
}  # fmt: skip

_PASSED: dict[str, tuple[bytes, bytes]] = {
    "one chunk": (b"5\r\nhello\r\n" + _LAST, b"hello"),
    "no chunk": (_LAST, b""),
    "three chunks": (chunked(b"he", b"l", b"lo"), b"hello"),
    "sizes in capitals": (b"A\r\n0123456789\r\n" + _LAST, b"0123456789"),
    "sizes in small letters": (b"a\r\n0123456789\r\n" + _LAST, b"0123456789"),
    "a leading zero": (b"05\r\nhello\r\n" + _LAST, b"hello"),
    "a last chunk of three zeros": (b"5\r\nhello\r\n000\r\n\r\n", b"hello"),
    "an extension": (b"5;a=b\r\nhello\r\n" + _LAST, b"hello"),
    "an extension without a value": (b"5;a\r\nhello\r\n" + _LAST, b"hello"),
    "a quoted extension": (b'5;a="x;y"\r\nhello\r\n' + _LAST, b"hello"),
    "an extension of the last chunk": (b"5\r\nhello\r\n0;a=b\r\n\r\n", b"hello"),
    "an extension of 200 bytes": (b"5;" + b"a" * 200 + b"\r\nhello\r\n" + _LAST, b"hello"),
    "chunks in a chunk": (chunked(b"5\r\nhello\r\n0\r\n\r\n"), b"5\r\nhello\r\n0\r\n\r\n"),
    "a request in a chunk": (chunked(_SMUGGLED), _SMUGGLED),
    "a line end as the body": (chunked(b"\r\n"), b"\r\n"),
    "every byte": (chunked(bytes(range(256))), bytes(range(256))),
    "100 KB in odd pieces": (chunked(*[b"x" * 997] * 100), b"x" * 99_700),
    "1,000 chunks of a byte": (chunked(*[b"y"] * 1000), b"y" * 1000),
    "20,000 chunks of a byte": (chunked(*[b"y"] * 20_000), b"y" * 20_000),
}  # fmt: skip


def cases() -> list[Case]:
    """Every case of this subject."""
    about = "A lenient reader would see another body here, or another request behind it."
    found = [
        refusal(f"chunks: {name}", "smuggling", about, _HEAD + body + _SMUGGLED, 400, closed=True)
        for name, body in _REFUSED.items()
    ]
    for name, (body, decoded) in _PASSED.items():
        about = "It is decoded, and chunked anew by us: no extension passes."
        head = sent("POST", AT, framing="chunked")
        found.append(
            passed(
                f"chunks: {name}",
                "streaming",
                about,
                _HEAD + body,
                Upstream(head=head, body=decoded),
                closed=False,
            )
        )
    return [*found, *_trailers(), *_limits(), *_floods(), *_in_pieces(), _never_whole()]


def _trailers() -> list[Case]:
    found = []
    for name, trailers in {
        "one": b"X-T: 1\r\n",
        "two": b"X-T: 1\r\nX-U: 2\r\n",
        "Host": b"Host: evil.test\r\n",
        "Authorization": b"Authorization: Basic eA==\r\n",
        "X-Forwarded-For": b"X-Forwarded-For: 6.6.6.6\r\n",
        "X-Shadow": b"X-Shadow: v1\r\n",
        "Connection": b"Connection: close, Host\r\n",
    }.items():
        one = _HEAD + chunked(b"hello", trailers=trailers)
        upstream = Upstream(head=sent("POST", AT, framing="chunked"), body=b"hello")
        about = "Trailers are dropped: nothing that was decided may be changed behind the body."
        found.append(passed(f"chunks: the trailer {name}", "interim", about, one, upstream, closed=False))
    return found


def _limits() -> list[Case]:
    """Endless lines, and bodies that are nearly all wire."""
    thin = b"".join(b"1;%b\r\nx\r\n" % (b"a" * 24) for _ in range(5000))
    few = b"".join(b"1;%b\r\nx\r\n" % (b"a" * 24) for _ in range(1000))
    about = "Nothing that is thrown away is read without end."
    limits = {
        "an extension of 100 KB": b"5;" + b"a" * 100_000 + b"\r\nhello\r\n" + _LAST,
        "100,000 leading zeros": b"0" * 100_000 + b"5\r\nhello\r\n" + _LAST,
        "100,000 zeros as the last chunk": b"5\r\nhello\r\n" + b"0" * 100_000 + b"\r\n\r\n",
        "a trailer of 100 KB": chunked(b"hello", trailers=b"X-T: " + b"a" * 100_000 + b"\r\n"),
        "10,000 trailers": chunked(b"hello", trailers=b"".join(b"X-%d: 1\r\n" % at for at in range(10_000))),
    }
    found = [
        refusal(f"chunks: {name}", "chunk_limits", about, _HEAD + body + _SMUGGLED, (400, 431), closed=True)
        for name, body in limits.items()
    ]
    about = "30 bytes on the wire per byte of the body: the cost is ours, the body is nothing."
    found.append(
        refusal("chunks: a thin body of 150 KB", "thin_body", about, _HEAD + thin + _LAST, 400, closed=True)
    )
    upstream = Upstream(head=sent("POST", AT, framing="chunked"), body=b"x" * 1000)
    about = "Below 64 KB nobody minds."
    found.append(
        passed(
            "chunks: a thin body of 30 KB", "thin_body", about, _HEAD + few + _LAST, upstream, closed=False
        )
    )
    return found


def _floods() -> list[Case]:
    found = []
    for name, (start, unit) in {
        "an endless extension": (b"5;", b"a" * 65_536),
        "endless zeros": (b"", b"0" * 65_536),
        "an endless trailer": (b"0\r\nX-T: ", b"a" * 65_536),
        "endless trailers": (b"0\r\n", b"X-T: 1\r\n" * 8192),
        "an endless thin body": (b"", (b"1;" + b"a" * 60 + b"\r\nx\r\n") * 1000),
    }.items():
        steps: tuple[Step, ...] = (_HEAD + start, Flood(unit, 800))
        expect = Expect(
            (Answer((400, 431), refusal=True),),
            (),
            True,
            may_break_off=True,
            most_sent=25_000_000,
            within=10.0,
        )
        rule = "thin_body" if "thin" in name else "chunk_limits"
        about = "50 MB are not read to see that they are wrong."
        found.append(Case(f"chunks: {name}", rule, about, steps, expect, alone=True, split=False))
    return found


def _never_whole() -> Case:
    steps: tuple[Step, ...] = (_HEAD + b"7FFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n", Pause(0.05), HalfClose())
    expect = Expect(closed=True, may_break_off=True, any_answer=True)
    about = "The body never ends here, so no upstream may think that it did; fewer bits would wrap around."
    return Case("chunks: a size of 2^63 - 1", "smuggling", about, steps, expect)


def _in_pieces() -> list[Case]:
    """A reader that needs a whole line in one read sees these differently."""
    body = chunked(b"hello", b"world")
    found = []
    for at in (1, 2, 3, 7, 8, 9, 10, len(body) - 1, len(body) - 2, len(body) - 4):
        steps = (_HEAD + body[:at], Pause(0.03), body[at:])
        upstream = Upstream(head=sent("POST", AT, framing="chunked"), body=b"helloworld")
        about = "A pause in a chunk's line or end changes nothing."
        found.append(
            passed(f"chunks: a pause behind byte {at}", "streaming", about, steps, upstream, closed=False)
        )
    return found
