"""What a client sends, read in any pieces: the same requests, the same refusals."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facade.core.http1.limits import FREE_WIRE, MAX_HEAD, MAX_TARGET
from facade.core.http1.requests import RequestReader
from facade.errors import Refused
from tests.unit.facade.facade_builders import pairs, raw_head

Read = tuple[str, bytes, bytes]
"""A request's method, target and body."""
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
PUT = b"PUT /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
CHUNKED = b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKS = CHUNKED + b"2;x\r\nab\r\n1\r\nc\r\n0\r\nT: 1\r\n\r\n"


class _Client:
    """Reads whatever is there whenever something comes, as the connection does."""

    def __init__(self) -> None:
        self.reader = RequestReader()
        self.read: list[Read] = []
        self.refused: int | None = None

    def send(self, data: bytes) -> None:
        if self.refused is not None:
            return
        self.reader.receive(data)
        try:
            while self._body() and self._head():
                pass
        except Refused as refused:
            self.refused = refused.problem.status

    def _body(self) -> bool:
        while not self.reader.body_ended:
            data = self.reader.read_body()
            method, target, body = self.read[-1]
            self.read[-1] = method, target, body + data
            if not data:
                break
        return self.reader.body_ended

    def _head(self) -> bool:
        head = self.reader.next_head()
        if head is None:
            return False
        self.read.append((head.method, head.target, b""))
        return True


def _sent(pieces: list[bytes]) -> tuple[list[Read], bool, int | None]:
    """What was read of it, whether the last body ended, and the status of the refusal.

    How much of a malformed body was read before the refusal is the pieces' doing: it is left out.
    """
    client = _Client()
    for piece in pieces:
        client.send(piece)
    if client.refused and not client.reader.body_ended:
        client.read[-1] = (*client.read[-1][:2], b"")
    return client.read, client.reader.body_ended, client.refused


def _byte_by_byte(raw: bytes) -> list[bytes]:
    return [raw[at : at + 1] for at in range(len(raw))]


def _split(raw: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({cut % (len(raw) + 1) for cut in cuts} | {0, len(raw)})
    return [raw[one:other] for one, other in pairwise(at)]


READ_GET, READ_PUT, READ_CHUNKS = ("GET", b"/", b""), ("PUT", b"/b", b"abc"), ("POST", b"/c", b"abc")
READ: list[tuple[str, bytes, list[Read], bool]] = [
    ("nothing", b"", [], True),
    ("one", GET, [READ_GET], True),
    ("half a head", GET[:-2], [], True),
    ("a body of no bytes", b"PUT / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", [("PUT", b"/", b"")], True),
    ("a body", PUT, [READ_PUT], True),
    ("half a body", PUT[:-1], [("PUT", b"/b", b"ab")], False),
    ("chunks", CHUNKS, [READ_CHUNKS], True),
    ("chunks without an end", CHUNKS[:-1], [READ_CHUNKS], False),
    ("several", GET + PUT + CHUNKS + PUT + GET, [READ_GET, READ_PUT, READ_CHUNKS, READ_PUT, READ_GET], True),
    ("one and a half", PUT + GET[:9], [READ_PUT], True),
    ("an empty line before", b"\r\n" + GET, [READ_GET], True),
    ("only an empty line", b"\r\n", [], True),
    ("half an empty line", b"\r", [], True),
    ("an empty line between", PUT + b"\r\n" + PUT + b"\r\n" + GET, [READ_PUT, READ_PUT, READ_GET], True),
    ("an empty line behind", CHUNKS + b"\r\n", [READ_CHUNKS], True),
    ("a body like a head", b"PUT / HTTP/1.1\r\nContent-Length: 27\r\n\r\n" + GET, [("PUT", b"/", GET)], True),
]  # fmt: skip


@pytest.mark.parametrize(("case", "raw", "read", "ended"), READ, ids=[case[0] for case in READ])
def test_requests_are_the_same_in_whatever_pieces_they_come(
    case: str, raw: bytes, read: list[Read], ended: bool
) -> None:
    expected = (read, ended, None)
    assert _sent([raw]) == expected, case
    assert _sent(_byte_by_byte(raw)) == expected, case
    for cut in range(1, len(raw)):
        assert _sent([raw[:cut], raw[cut:]]) == expected, (case, cut)


LONG = b"x" * (MAX_HEAD // 4)
FIELDS = b"".join(b"A%d: " % number + LONG + b"\r\n" for number in range(4))
WASTE = b"1;" + b"x" * 200 + b"\r\nx\r\n"
REFUSED: list[tuple[str, bytes, list[Read], int]] = [
    ("small letters", b"get / HTTP/1.1\r\n\r\n", [], 400),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01", [], 400),
    ("a line end before", b"\n" + GET, [], 400),
    ("a CR before", b"\r" + GET, [], 400),
    ("a blank before", b" " + GET, [], 400),
    ("two empty lines", b"\r\n\r\n" + GET, [], 400),
    ("an empty line and a line end", b"\r\n\n" + GET, [], 400),
    ("only empty lines", b"\r\n\r\n\r\n\r\n", [], 400),
    ("a bare LF in the first line", b"GET / HTTP/1.1\nHost: a\r\n\r\n", [], 400),
    ("a bare LF in a field", b"GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n", [], 400),
    ("nothing but bare LF", b"GET / HTTP/1.1\nHost: a\n\n", [], 400),
    ("a bare LF at the end", b"GET / HTTP/1.1\r\nHost: a\r\n\n", [], 400),
    ("behind another", GET + b"NONSENSE\r\n\r\n", [READ_GET], 400),
    ("an unknown method", b"BREW / HTTP/1.1\r\n\r\n", [], 501),
    ("HTTP/0.9", b"GET /\r\n\r\n", [], 400),
    ("two blanks", b"GET  / HTTP/1.1\r\n\r\n", [], 400),
    ("a first line that is none", b"GET / http/1.1\r\n", [], 400),
    ("behind a body", PUT + b"abc" + GET, [READ_PUT], 400),
    ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [], 505),
    ("a target that is too long", raw_head("GET /" + "a" * MAX_TARGET + " HTTP/1.1"), [], 414),
    ("one without an end", b"GET /" + b"a" * (MAX_TARGET + 100), [], 414),
    ("a method without an end", b"A" * (MAX_TARGET + 100), [], 414),
    ("a head that is too large", b"GET / HTTP/1.1\r\n" + FIELDS + b"\r\n", [], 431),
    ("one that is much too large", b"GET / HTTP/1.1\r\n" + FIELDS * 2 + b"\r\n", [], 431),
    ("one without an end", b"GET / HTTP/1.1\r\n" + FIELDS * 2, [], 431),
    ("too many fields", raw_head("GET / HTTP/1.1", *["A: 1"] * 101), [], 431),
    ("malformed chunks", CHUNKS[:-2] + b"\n", [("POST", b"/c", b"")], 400),
    ("no chunks", CHUNKED + b"zz\r\n", [("POST", b"/c", b"")], 400),
]  # fmt: skip


@pytest.mark.parametrize(("case", "raw", "read", "status"), REFUSED, ids=[case[0] for case in REFUSED])
def test_what_is_refused_is_refused_in_whatever_pieces_it_comes(
    case: str, raw: bytes, read: list[Read], status: int
) -> None:
    for pieces in ([raw], _byte_by_byte(raw), _split(raw, [1]), _split(raw, [len(raw) // 2])):
        found, _, refused = _sent(pieces)
        assert (found, refused) == (read, status), case


def test_chunks_that_waste_the_wire_are_refused() -> None:
    read, ended, refused = _sent([CHUNKED, *[WASTE] * (FREE_WIRE // len(WASTE) + 1)])
    assert (read, ended, refused) == ([("POST", b"/c", b"")], False, 400)


def test_the_largest_head_is_not_too_large() -> None:
    target = b"/" + b"a" * (MAX_TARGET - 1)
    around = len(b"GET  HTTP/1.1\r\nA: \r\n\r\n")
    for excess, status in ((0, None), (1, 431)):
        raw = b"GET " + target + b" HTTP/1.1\r\nA: " + b"x" * (MAX_HEAD - around + excess) + b"\r\n\r\n"
        for pieces in ([raw], _split(raw, list(range(0, len(raw), 999)))):
            read, _, refused = _sent(pieces)
            assert (len(read), refused) == (0 if status else 1, status)


WIRE = st.sampled_from([
    GET, PUT, CHUNKS, b"\r\n", b"\r", b"\n", b"GET / HTTP/1.1\r\n", b"Host: a\r\n", b"Content-Length: 2\r\n",
    b"PUT / HTTP/1.0\r\n", b"Transfer-Encoding: chunked\r\n", b"2\r\nab\r\n", b"0\r\n\r\n", b" ", b"get",
    b"0", b"\0",
])  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(WIRE, max_size=9), st.lists(st.integers(0, 500), max_size=8))
def test_any_bytes_have_one_verdict_in_any_pieces(parts: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(parts)
    whole = _sent([raw])
    for pieces in (_byte_by_byte(raw), _split(raw, cuts)):
        read, ended, refused = _sent(pieces)
        # Of two faults whichever is seen first gives the status.
        assert (read, ended, refused is None) == (whole[0], whole[1], whole[2] is None)


def test_what_waits_is_counted_and_can_be_taken_unread() -> None:
    reader = RequestReader()
    assert (reader.buffered, reader.read_body(), reader.rest()) == (0, b"", b"")
    reader.receive(GET + b"ab")
    assert reader.buffered == len(GET) + 2
    assert reader.next_head() is not None
    assert (reader.buffered, reader.rest(), reader.buffered) == (2, b"ab", 0)
    reader.receive(GET[:5])
    reader.receive(GET[5:])
    head = reader.next_head()
    assert head is not None
    assert head.fields.kept == pairs("Host: a")
    assert reader.rest() == b""


def test_a_client_that_is_always_half_a_request_ahead_is_not_kept_in_memory() -> None:
    reader = RequestReader()
    reader.receive(GET[:-5])
    for _ in range(1000):
        reader.receive(GET[-5:] + GET[:-5])
        assert reader.next_head() is not None
        assert reader.next_head() is None
    assert len(reader._buffer) < 3 * len(GET)


def test_a_large_head_may_come_byte_by_byte_and_is_there_with_its_last_one() -> None:
    reader = RequestReader()
    raw = raw_head("GET / HTTP/1.1", *[f"A{number}: {'x' * 600}" for number in range(99)])
    for piece in _byte_by_byte(raw[:-1]):
        reader.receive(piece)
        assert reader.next_head() is None
    reader.receive(raw[-1:])
    head = reader.next_head()
    assert head is not None
    assert len(head.fields.kept) == 99
