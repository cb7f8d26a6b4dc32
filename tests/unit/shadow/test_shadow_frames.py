"""The tap's language: what goes in comes out, and nonsense is refused."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.core.exchange import Exchange, parsed_head
from shadow.core.frames import (
    MAX_FRAME,
    Decoder,
    ExchangeFrame,
    Frame,
    Hello,
    ProtocolError,
    TotalsFrame,
    encode,
)
from tests.unit.shadow.builders import ROUTE, exchange, framed

ODD = exchange(
    session_key=None,
    signed_key=False,
    trace="00-aa-bb-01",
    request_body=b"in\x00",
    body=b"\xff\x00out",
    target=b"/k\xc3\xbcche?\xff",
    request_headers=[(b"X-Odd", b"\xff\xfe"), (b"X-Odd", b"a: b")],
    response_headers=[],
    answered_by="extracted",
    fallback=True,
)
HELLO = Hello("facade-1", {"a.b": {"tapped": 3, "no_key": 1}})
STREAM = encode(HELLO) + encode(TotalsFrame({})) + framed(exchange(), ODD) + framed(exchange(body=b""))
FRAMES: list[Frame] = [
    HELLO,
    TotalsFrame({}),
    ExchangeFrame(exchange()),
    ExchangeFrame(ODD),
    TotalsFrame({ROUTE: {"tapped": 2}}),
    ExchangeFrame(exchange(body=b"")),
    TotalsFrame({ROUTE: {"tapped": 1}}),
]


def test_what_goes_in_comes_out_with_its_totals_behind_it() -> None:
    assert Decoder().feed(STREAM) == FRAMES


@given(st.lists(st.integers(1, 400), max_size=60))
def test_frames_may_arrive_in_any_pieces(cuts: list[int]) -> None:
    stream = STREAM
    decoder, got = Decoder(), []
    for cut in cuts:
        got += decoder.feed(stream[:cut])
        stream = stream[cut:]
    assert got + decoder.feed(stream) == FRAMES


HEADS = [
    (b"", []),
    (b"GET / HTTP/1.1\r\n\r\n", []),
    (b"GET / HTTP/1.1\r\nHost:a\r\nX:\r\n\r\n", [(b"Host", b"a"), (b"X", b"")]),
    (b"HTTP/1.1 200 OK: yes\r\nA: \t b c \r\nA: d:e", [(b"A", b"b c"), (b"A", b"d:e")]),
    (b"HTTP/1.1 200 OK\r\nno header\r\n\xff: \xfe\r\n\r\n", [(b"\xff", b"\xfe")]),
]


@pytest.mark.parametrize(("head", "headers"), HEADS)
def test_a_head_is_read_as_it_was_on_the_wire(head: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    assert parsed_head(head) == headers


def test_a_key_that_no_encoding_holds_breaks_nothing() -> None:
    frames = Decoder().feed(framed(exchange(session_key="a\ud800b"), exchange(session_key="ü")))
    assert [one.exchange.session_key for one in frames if isinstance(one, ExchangeFrame)] == ["a?b", "ü"]


def _frame(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 1) + kind + content


def _packed(rows: object, tapped: object, rest: bytes = b"") -> bytes:
    text = orjson.dumps((rows, tapped))
    return _frame(b"e", struct.pack(">I", len(text)) + text + rest)


GOOD = ["a.b", "GET", "id", "legacy", None, None, False, False, 1.5, 2, 200, 1, 0, 0, 0, 0]


def _row(**changes: Any) -> bytes:
    """A frame with one row, of which something was changed by its place."""
    row = [changes.get(f"at{place}", value) for place, value in enumerate(GOOD)]
    return _packed([row], {"a.b": 1}, b"/")


def test_a_time_may_be_whole() -> None:
    (frame, _) = Decoder().feed(_row())
    assert isinstance(frame, ExchangeFrame)
    assert (frame.exchange.started_at, frame.exchange.elapsed_ms, frame.exchange.target) == (1.5, 2.0, b"/")


NONSENSE = [
    struct.pack(">I", 0),
    struct.pack(">I", MAX_FRAME + 1),
    _frame(b"?", b"{}"),
    _frame(b"x", b"\x00\x00\x00\x02{}"),
    _frame(b"h", b"not json"),
    _frame(b"h", b"[]"),
    _frame(b"h", b'{"instance": 7, "totals": {}}'),
    _frame(b"h", b'{"instance": "x", "totals": {"r": {"n": -1}}}'),
    _frame(b"t", b'{"totals": {"r": {"n": true}}}'),
    _frame(b"t", b'{"totals": {"r": {"n": 9007199254740993}}}'),
    _frame(b"t", b'{"totals": []}'),
    _frame(b"t", b"[" * 5000),
    _frame(b"e", b""),
    _frame(b"e", b"\x00\x00\x00\x09[[],{}]"),
    _frame(b"e", b"\x00\x00\x00\x02[]"),
    _packed([], []),
    _packed([], {"a": -1}),
    _packed([], {}, b"left over"),
    _packed([7], {}),
    _packed([[]], {}),
    _packed([GOOD], {}),  # its target is not there
    _packed([GOOD, GOOD], {}, b"/"),
    _row(at0=7),
    _row(at3=None),
    _row(at4=1),
    _row(at6=0),
    _row(at8="now"),
    _row(at10="200"),
    _row(at10=True),
    _row(at11=-1),
    _row(at12=2**53 + 1),
    _row(at15=1),
    *(_row(at8=orjson.Fragment(text)) for text in (b"1e9999", b"NaN", b"Infinity", b"-1e400")),
]


@pytest.mark.parametrize("data", NONSENSE)
def test_nonsense_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        Decoder().feed(data)


def test_what_a_user_sent_is_not_told_with_the_error() -> None:
    with pytest.raises(ProtocolError) as told:
        Decoder().feed(_row(at0=7, at4="secret-key"))
    assert "secret-key" not in str(told.value)


@given(st.data())
def test_no_damaged_stream_does_more_than_break_the_protocol(data: st.DataObject) -> None:
    stream = bytearray(STREAM)
    for _ in range(data.draw(st.integers(1, 8))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    decoder = Decoder()
    with contextlib.suppress(ProtocolError):
        for frame in decoder.feed(bytes(stream)):
            assert isinstance(frame, Frame)


def test_a_frame_that_no_reader_would_take_is_not_made() -> None:
    with pytest.raises(ProtocolError, match="limit"):
        framed(exchange(body=b"x" * MAX_FRAME))


def test_an_exchange_knows_about_how_large_it_is() -> None:
    small, large = exchange(body=b""), exchange(body=b"x" * 10_000)
    assert large.size - small.size == 10_000
    assert isinstance(small, Exchange)
