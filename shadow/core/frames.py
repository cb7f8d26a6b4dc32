"""The tap's language, without a socket: length-prefixed frames, their encoder and an incremental decoder.

A frame is `length(4) · kind(1) · content`, big-endian; `length` counts everything behind itself. `hello` and
`totals` hold JSON. A facade pays for `exchanges` with every answer, so one frame holds many: the length of a
JSON text (4), that text, and behind it the bytes that each row's last numbers count: target, request head,
answer head, request body and answer body of the first, of the second, …
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import orjson

from shadow.core.exchange import Exchange, parsed_head, trace_of

MAX_FRAME = 8 * 1024 * 1024  # a kept answer (1 MiB by default) and its request, with room for larger plans
_PREFIX = struct.Struct(">I")
_HELLO, _TOTALS = b"h", b"t"
_EXCHANGES = b"e"  # "x" held one exchange once: a peer that still speaks it must fail clearly
_MOST = 2**53  # of a count: far from what a store's integers hold, and farther from what anybody counts to

_TEXT, _SWITCH, _NUMBER, _COUNT = (str,), (bool,), (float, int), (int,)
_ROW = (*(_TEXT,) * 4, *((str, type(None)),) * 2, *(_SWITCH,) * 2, *(_NUMBER,) * 2, *(_COUNT,) * 6)
_SHAPES = frozenset(product(*_ROW))  # one look-up is a fifth of sixteen checks
_COUNTS, _LENGTHS = 10, 11  # where these begin in a row

Totals = Mapping[str, Mapping[str, int]]
"""Cumulative counters of one sender: route → reason → count; `tapped` is how many exchanges it has sent."""

TAPPED = "tapped"


class ProtocolError(Exception):
    """The peer does not speak the tap's language; the connection is of no more use."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The first frame of a connection: who sends, and everything it has counted so far."""

    instance: str
    totals: Totals


@dataclass(frozen=True, slots=True)
class TotalsFrame:
    """Counters that changed, as cumulative values."""

    totals: Totals


@dataclass(slots=True)
class ExchangeFrame:
    """One exchange; the totals of its route follow with the frame that held it."""

    exchange: Exchange


Frame = Hello | TotalsFrame | ExchangeFrame
Row = tuple[
    str, str, str, str, str | None, str | None, bool, bool, float, float, int, int, int, int, int, int
]
"""Route, method, request id, side, key, trace, signed, fallback, start, time, status; five lengths."""


def encode(frame: Hello | TotalsFrame) -> bytes:
    """One frame as bytes; ProtocolError when it is larger than MAX_FRAME."""
    if isinstance(frame, Hello):
        text = orjson.dumps({"instance": frame.instance, "totals": frame.totals})
        return b"".join(_framed(_HELLO, text))
    return b"".join(_framed(_TOTALS, orjson.dumps({"totals": frame.totals})))


def exchanges_frame(
    rows: Sequence[Row], parts: Sequence[bytes], tapped: Mapping[str, int]
) -> Sequence[bytes]:
    """One frame, to be joined: `parts` are what the rows count, `tapped` is what is new in the totals."""
    text = _rows_text(rows, tapped)
    return _framed(_EXCHANGES, _PREFIX.pack(len(text)), text, *parts)


def _framed(kind: bytes, *parts: bytes) -> list[bytes]:
    size = len(kind) + sum(map(len, parts))
    if size > MAX_FRAME:
        raise ProtocolError(f"a frame of {size} bytes exceeds the tap's limit of {MAX_FRAME}")
    return [_PREFIX.pack(size), kind, *parts]


def _rows_text(rows: Sequence[Row], tapped: Mapping[str, int]) -> bytes:
    try:
        return orjson.dumps((rows, tapped))
    except TypeError:
        # A sticky key is what a token held, lone surrogates too; nothing a user sends may end the connection.
        return orjson.dumps(([tuple(map(_encodable, row)) for row in rows], tapped))


def _encodable(value: object) -> object:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


class Decoder:
    """Feed it bytes, get frames; it never holds more than one frame's worth beyond what was fed."""

    def __init__(self) -> None:
        """Start at a frame boundary."""
        self._pieces: list[bytes] = []
        self._held, self._wanted = 0, _PREFIX.size

    def feed(self, data: bytes) -> list[Frame]:
        """The frames completed by `data`; ProtocolError on nonsense."""
        self._pieces.append(data)
        self._held += len(data)
        frames: list[Frame] = []
        if self._held < self._wanted:
            return frames
        data, start = b"".join(self._pieces), 0
        while (end := _frame_end(data, start)) <= len(data):
            frames += _parsed(data, start, end)
            start = end
        self._pieces = [data[start:]]
        self._held, self._wanted = len(data) - start, end - start
        return frames


def _frame_end(data: bytes, start: int) -> int:
    """Where the frame ends that begins at `start`, or its length does where that is not here yet."""
    if len(data) - start < _PREFIX.size:
        return start + _PREFIX.size
    size = int.from_bytes(data[start : start + _PREFIX.size], "big")
    if not 1 <= size <= MAX_FRAME:
        raise ProtocolError(f"a frame cannot have {size} bytes")
    return start + _PREFIX.size + size


def _parsed(data: bytes, start: int, end: int) -> Iterable[Frame]:
    begin = start + _PREFIX.size + 1
    kind = data[begin - 1 : begin]
    try:
        if kind == _EXCHANGES:
            return list(_exchanges(data, begin, end))
        content: Any = orjson.loads(data[begin:end]) if kind in (_HELLO, _TOTALS) else None
        if kind == _HELLO:
            return (Hello(_text(content["instance"]), _totals(content["totals"])),)
        if kind == _TOTALS:
            return (TotalsFrame(_totals(content["totals"])),)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProtocolError(f"a frame of kind {kind!r} does not hold what it must: {error!r}") from None
    raise ProtocolError(f"there is no frame of kind {kind!r}")


def _exchanges(data: bytes, begin: int, end: int) -> Iterator[Frame]:
    at = begin + _PREFIX.size + int.from_bytes(data[begin : begin + _PREFIX.size], "big")
    if at > end:
        raise ValueError("its rows are cut off")
    rows, tapped = orjson.loads(data[begin + _PREFIX.size : at])
    for row in rows:
        _check_row(row)
        cuts = [at]
        for length in row[_LENGTHS:]:
            at += length
            cuts.append(at)
        if at > end:
            raise ValueError("its bytes are cut off")
        yield ExchangeFrame(_exchange(row, [data[cut:following] for cut, following in pairwise(cuts)]))
    if at != end:
        raise ValueError("it holds more bytes than its rows")
    yield TotalsFrame({_text(route): {TAPPED: _count(count)} for route, count in tapped.items()})


def _check_row(row: list[Any]) -> None:
    if tuple(map(type, row)) not in _SHAPES:
        raise TypeError(
            f"a row of {[type(value).__name__ for value in row]}"
        )  # not its values: this is logged
    if min(row[_COUNTS:]) < 0 or max(row[_COUNTS:]) > _MOST:
        raise ValueError("a count is out of bounds")


def _exchange(row: list[Any], parts: list[bytes]) -> Exchange:
    route, method, request_id, side, key, trace, signed, fallback, began, elapsed, status, *_ = row
    target, request_head, response_head, request_body, body = parts
    asked = parsed_head(request_head)
    return Exchange(
        route, key, signed, method, target, asked, request_body, side, status, parsed_head(response_head),
        body, float(began), float(elapsed), fallback, request_id, trace or trace_of(asked),
    )  # fmt: skip


def _totals(value: dict[str, dict[str, int]]) -> Totals:
    return {_text(route): _counters(counters) for route, counters in value.items()}


def _counters(value: dict[str, int]) -> Mapping[str, int]:
    return {_text(reason): _count(count) for reason, count in value.items()}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"not a text: {value!r:.40}")
    return value


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _MOST:
        raise TypeError(f"not a count: {value!r:.40}")
    return value
