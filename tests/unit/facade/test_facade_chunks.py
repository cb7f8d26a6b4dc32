"""Chunked bodies: decoded to the byte, refused where anybody could read them otherwise, bounded."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facade.core.http1.chunks import ChunkReader, MalformedChunks
from facade.core.http1.limits import FEED, FREE_WIRE, MAX_CHUNK_LINE, MAX_TRAILERS, WIRE_PER_BYTE
from facade.core.http1.writing import LAST_CHUNK, chunk

Verdict = tuple[bytes, int] | None | str


def _read(pieces: list[bytes]) -> Verdict:
    """The body and how many bytes it took; None while it has not ended; "malformed"."""
    reader, body, waiting, used = ChunkReader(), b"", b"", 0
    for piece in pieces:
        waiting += piece
        while True:
            try:
                data, at = reader.read(waiting)
            except MalformedChunks:
                return "malformed"
            body, used, waiting = body + data, used + at, waiting[at:]
            if reader.ended:
                assert reader.body_bytes == len(body)
                return body, used
            if not at:
                break
    return None


def _split(raw: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({cut % (len(raw) + 1) for cut in cuts} | {0, len(raw)})
    return [raw[one:other] for one, other in pairwise(at)]


def _byte_by_byte(raw: bytes) -> list[bytes]:
    return [raw[at : at + 1] for at in range(len(raw))]


LONGEST = b"1;" + b"x" * (MAX_CHUNK_LINE - 4) + b"\r\n"
TRAILERS = b"a:" + b"x" * (MAX_TRAILERS - 4) + b"\r\n"
CASES: list[tuple[str, bytes, Verdict]] = [
    ("nothing", b"", None),
    ("an empty body", b"0\r\n\r\n", (b"", 5)),
    ("many noughts", b"0000000000000000\r\n\r\n", (b"", 20)),
    ("one chunk", b"3\r\nabc\r\n0\r\n\r\n", (b"abc", 13)),
    ("capitals", b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", (b"0123456789" * 2, 35)),
    ("line ends within", b"4\r\n\r\n\r\n\r\n0\r\n\r\n", (b"\r\n\r\n", 14)),
    ("an extension", b"1;a=\"b\xff\t\"\r\nx\r\n0;c\r\n\r\n", (b"x", 21)),
    ("an empty extension", b"1;\r\nx\r\n0\r\n\r\n", "malformed"),
    ("the longest line", LONGEST + b"x\r\n0\r\n\r\n", (b"x", MAX_CHUNK_LINE + 8)),
    ("trailers", b"0\r\nA: 1\r\nb:\r\n\r\n", (b"", 15)),
    ("as many trailers as may be", b"0\r\n" + TRAILERS + b"\r\n", (b"", MAX_TRAILERS + 5)),
    ("nearly as many", b"0\r\n" + TRAILERS[1:] + b"\r\n", "malformed"),
    ("as many but one", b"0\r\nb:" + TRAILERS[3:] + b"\r\n", (b"", MAX_TRAILERS + 4)),
    ("what follows stays", b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n", (b"", 5)),
    ("a line that has begun", b"3;a", None),
    ("half a line end", b"3\r", None),
    ("half a chunk", b"3\r\nab", None),
    ("half an end of a chunk", b"3\r\nabc\r", None),
    ("half an end", b"0\r\n\r", None),
    ("half a trailer", b"0\r\nA: 1", None),
    ("a size of 17 digits", b"0" * 17 + b"\r\n\r\n", "malformed"),
    ("a blank before the size", b" 1\r\nx\r\n0\r\n\r\n", "malformed"),
    ("a blank behind the size", b"1 \r\nx\r\n0\r\n\r\n", "malformed"),
    ("a blank before the extension", b"1 ;a\r\nx\r\n0\r\n\r\n", "malformed"),
    ("a sign", b"+1\r\nx\r\n0\r\n\r\n", "malformed"),
    ("a prefix", b"0x1\r\nx\r\n0\r\n\r\n", "malformed"),
    ("an underscore", b"1_0\r\n", "malformed"),
    ("no size", b"\r\n", "malformed"),
    ("only an extension", b";a\r\n", "malformed"),
    ("letters", b"zz\r\n", "malformed"),
    ("a bare LF behind the size", b"1\nx\r\n0\r\n\r\n", "malformed"),
    ("a bare CR in an extension", b"1;\ra\r\nx\r\n0\r\n\r\n", "malformed"),
    ("a bare LF in an extension", b"1;a\nb\r\nx\r\n0\r\n\r\n", "malformed"),
    ("a NUL in an extension", b"1;\0\r\nx\r\n0\r\n\r\n", "malformed"),
    ("a line too long", b"1;x" + LONGEST[2:] + b"x\r\n0\r\n\r\n", "malformed"),
    ("a line without an end", b"1;" + b"x" * MAX_CHUNK_LINE, "malformed"),
    ("a chunk that is longer than it says", b"1\r\nxy\r\n0\r\n\r\n", "malformed"),
    ("a chunk that ends in LF", b"1\r\nx\n0\r\n\r\n", "malformed"),
    ("a chunk that ends in CR", b"1\r\nx\r0\r\n\r\n", "malformed"),
    ("an end in LF", b"0\r\n\n", "malformed"),
    ("a trailer without a colon", b"0\r\nA\r\n\r\n", "malformed"),
    ("a trailer without a name", b"0\r\n: a\r\n\r\n", "malformed"),
    ("a blank in a trailer's name", b"0\r\nA : a\r\n\r\n", "malformed"),
    ("a folded trailer", b"0\r\nA: 1\r\n b\r\n\r\n", "malformed"),
    ("a bare LF in a trailer", b"0\r\nA: 1\nB: 2\r\n\r\n", "malformed"),
    ("a bare CR in a trailer", b"0\r\nA: 1\rB: 2\r\n\r\n", "malformed"),
    ("too many trailers", b"0\r\n" + TRAILERS + b"b:\r\n\r\n", "malformed"),
    ("a trailer too long", b"0\r\na" + TRAILERS + b"\r\n", "malformed"),
    ("a trailer without an end", b"0\r\na:" + b"x" * MAX_TRAILERS, "malformed"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "raw", "expected"), CASES, ids=[case[0] for case in CASES])
def test_a_chunked_body_is_read_one_way_however_it_comes(case: str, raw: bytes, expected: Verdict) -> None:
    assert _read([raw]) == expected, case
    assert _read(_byte_by_byte(raw)) == expected, case
    for cut in range(1, min(len(raw), 64)):
        assert _read([raw[:cut], raw[cut:]]) == expected, (case, cut)
        assert _read([raw[:-cut], raw[-cut:]]) == expected, (case, -cut)


CHUNKY = st.text("013aAF\r\n;: xG", max_size=40).map(str.encode) | st.binary(max_size=40)


@settings(deadline=None)
@given(st.lists(CHUNKY | st.sampled_from([b"1\r\nx\r\n", b"0\r\n", b"\r\n", b"A: 1\r\n"]), max_size=6),
       st.lists(st.integers(0, 300), max_size=6))  # fmt: skip
def test_any_bytes_have_one_verdict_in_any_pieces(parts: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(parts)
    verdict = _read([raw])
    assert _read(_byte_by_byte(raw)) == verdict
    assert _read(_split(raw, cuts)) == verdict


PIECES = st.lists(st.binary(max_size=300), max_size=8)


@settings(deadline=None)
@given(PIECES, st.binary(max_size=20), st.lists(st.integers(0, 3000), max_size=6))
def test_what_we_write_in_chunks_reads_back(pieces: list[bytes], behind: bytes, cuts: list[int]) -> None:
    written = b"".join(map(chunk, pieces)) + LAST_CHUNK
    body = b"".join(pieces)
    assert _read([written + behind]) == (body, len(written))
    assert _read(_split(written + behind, cuts)) == (body, len(written))


def test_one_call_looks_at_a_bounded_part_of_the_overhead_and_takes_all_of_the_data() -> None:
    small = chunk(b"x") * (FEED * 2)
    reader = ChunkReader()
    data, at = reader.read(small)
    assert FEED <= at - len(data) < FEED + 16
    large = ChunkReader()
    wire = chunk(b"x" * FEED * 4) + LAST_CHUNK
    assert large.read(wire) == (b"x" * FEED * 4, len(wire))
    assert large.ended


def test_a_body_may_start_anywhere_and_nothing_is_read_behind_its_end() -> None:
    reader = ChunkReader()
    assert reader.read(b"##0\r\n\r\n", 2) == (b"", 7)
    assert reader.read(b"1\r\nx\r\n") == (b"", 0)


def test_overhead_that_is_out_of_all_proportion_is_refused() -> None:
    wasteful = b"1;" + b"x" * (MAX_CHUNK_LINE - 4) + b"\r\nx\r\n"
    enough = FREE_WIRE // len(wasteful)
    assert _read([wasteful] * enough) is None
    assert _read([wasteful] * (enough + 1)) == "malformed"
    fair = b"10;" + b"x" * (MAX_CHUNK_LINE - 30) + b"\r\n" + b"y" * 16 + b"\r\n"
    assert len(fair) <= 16 * WIRE_PER_BYTE
    assert _read([fair] * (2 * FREE_WIRE // len(fair))) is None
