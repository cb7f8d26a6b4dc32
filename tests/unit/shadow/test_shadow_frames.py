"""The tap's language: what goes in comes out, and nonsense is refused."""

from __future__ import annotations

import struct

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.core.frames import (
    MAX_FRAME,
    Decoder,
    Exchange,
    ExchangeFrame,
    Frame,
    Hello,
    ProtocolError,
    TotalsFrame,
    encode,
)
from tests.unit.shadow.builders import exchange

FRAMES: list[Frame] = [
    Hello("facade-1", {"a.b": {"tapped": 3, "no_key": 1}}),
    TotalsFrame({}),
    ExchangeFrame(exchange(), {"tapped": 1}),
    ExchangeFrame(
        exchange(
            session_key=None,
            trace="00-aa-bb-01",
            request_body=b"in\x00",
            body=b"\xff\x00out",
            target=b"/k\xc3\xbcche?\xff",
            request_headers=[(b"X-Odd", b"\xff\xfe")],
        ),
        {"tapped": 2},
    ),
]


@pytest.mark.parametrize("frame", FRAMES)
def test_a_frame_comes_out_as_it_went_in(frame: Frame) -> None:
    assert Decoder().feed(encode(frame)) == [frame]


@given(st.lists(st.integers(1, 400), max_size=60))
def test_frames_may_arrive_in_any_pieces(cuts: list[int]) -> None:
    stream = b"".join(encode(frame) for frame in FRAMES)
    decoder, got = Decoder(), []
    for cut in cuts:
        got += decoder.feed(stream[:cut])
        stream = stream[cut:]
    assert got + decoder.feed(stream) == FRAMES


def _frame(kind: bytes, head: bytes, rest: bytes = b"") -> bytes:
    payload = struct.pack(">cI", kind, len(head)) + head + rest
    return struct.pack(">I", len(payload)) + payload


def _broken(**changes: object) -> bytes:
    good = encode(ExchangeFrame(exchange(), {}))
    kind, length = struct.unpack_from(">cI", good, 4)
    head = orjson.loads(good[9 : 9 + length]) | changes
    return _frame(kind, orjson.dumps(head))


NONSENSE = [
    struct.pack(">I", 0),
    struct.pack(">I", MAX_FRAME + 1),
    _frame(b"?", b"{}"),
    _frame(b"h", b"not json"),
    _frame(b"h", b"[]"),
    _frame(b"h", b'{"instance": 7, "totals": {}}'),
    _frame(b"h", b'{"instance": "x", "totals": {"r": {"n": -1}}}'),
    _frame(b"t", b'{"totals": {"r": {"n": true}}}'),
    _frame(b"t", b'{"totals": []}'),
    _frame(b"x", b"{}"),
    _broken(request_body=99),
    _broken(status="200"),
    _broken(target="\u20ac"),
    _broken(request_headers=[["one"]]),
]


@pytest.mark.parametrize("data", NONSENSE)
def test_nonsense_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        Decoder().feed(data)


def test_a_frame_that_no_reader_would_take_is_not_made() -> None:
    with pytest.raises(ProtocolError, match="limit"):
        encode(ExchangeFrame(exchange(body=b"x" * MAX_FRAME)))


def test_an_exchange_knows_about_how_large_it_is() -> None:
    small, large = exchange(body=b""), exchange(body=b"x" * 10_000)
    assert large.size - small.size == 10_000
    assert isinstance(small, Exchange)
