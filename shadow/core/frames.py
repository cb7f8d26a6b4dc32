"""The tap's language, without a socket: length-prefixed frames, their encoder and an incremental decoder.

A frame is `length(4) · kind(1) · head length(4) · head (JSON) · request body · answer body`, big-endian;
`length` counts everything behind itself.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

MAX_FRAME = 8 * 1024 * 1024  # a kept answer (1 MiB by default) and its request, with room for larger plans
_PREFIX = struct.Struct(">I")
_HEAD = struct.Struct(">cI")
_HELLO, _EXCHANGE, _TOTALS = b"h", b"x", b"t"

Totals = Mapping[str, Mapping[str, int]]
"""Cumulative counters of one sender: route → reason → count; `tapped` is how many exchanges it has sent."""

TAPPED = "tapped"


class ProtocolError(Exception):
    """The peer does not speak the tap's language; the connection is of no more use."""


@dataclass(slots=True)
class Exchange:
    """One request with the answer the user got, as bytes seen on the wire.

    `request_headers` are those the answering side was sent, `response_headers` and `body` what it answered
    (content encoding kept); `started_at` is epoch seconds; `answered_by` is `legacy` or `extracted`.
    """

    route: str
    session_key: str | None
    signed_key: bool
    method: str
    target: bytes
    request_headers: list[tuple[bytes, bytes]]
    request_body: bytes
    answered_by: str
    status: int
    response_headers: list[tuple[bytes, bytes]]
    body: bytes
    started_at: float
    elapsed_ms: float
    fallback: bool
    request_id: str
    trace: str | None = None

    @property
    def size(self) -> int:
        """About how many bytes it takes in a queue."""
        headers = sum(len(name) + len(value) for name, value in self.request_headers + self.response_headers)
        return 512 + len(self.target) + headers + len(self.request_body) + len(self.body)


@dataclass(frozen=True, slots=True)
class Hello:
    """The first frame of a connection: who sends, and everything it has counted so far."""

    instance: str
    totals: Totals


@dataclass(frozen=True, slots=True)
class TotalsFrame:
    """Counters that changed, as cumulative values."""

    totals: Totals


@dataclass(frozen=True, slots=True)
class ExchangeFrame:
    """An exchange with the cumulative counters of its route, this exchange included."""

    exchange: Exchange
    totals: Mapping[str, int] = field(default_factory=dict)


Frame = Hello | TotalsFrame | ExchangeFrame


def encode(frame: Frame) -> bytes:
    """One frame as bytes; ProtocolError when it is larger than MAX_FRAME."""
    if isinstance(frame, Hello):
        return _framed(_HELLO, {"instance": frame.instance, "totals": frame.totals})
    if isinstance(frame, TotalsFrame):
        return _framed(_TOTALS, {"totals": frame.totals})
    exchange = frame.exchange
    head = _exchange_head(exchange) | {"totals": frame.totals}
    return _framed(_EXCHANGE, head, exchange.request_body, exchange.body)


def _framed(kind: bytes, head: dict[str, Any], *bodies: bytes) -> bytes:
    text = orjson.dumps(head)
    size = _HEAD.size + len(text) + sum(map(len, bodies))
    if size > MAX_FRAME:
        raise ProtocolError(f"a frame of {size} bytes exceeds the tap's limit of {MAX_FRAME}")
    return b"".join((_PREFIX.pack(size), _HEAD.pack(kind, len(text)), text, *bodies))


def _exchange_head(exchange: Exchange) -> dict[str, Any]:
    return {
        "route": exchange.route,
        "key": exchange.session_key,
        "signed": exchange.signed_key,
        "method": exchange.method,
        "target": exchange.target.decode("latin-1"),
        "request_headers": _texts(exchange.request_headers),
        "request_body": len(exchange.request_body),
        "answered_by": exchange.answered_by,
        "status": exchange.status,
        "response_headers": _texts(exchange.response_headers),
        "started_at": exchange.started_at,
        "elapsed_ms": exchange.elapsed_ms,
        "fallback": exchange.fallback,
        "request_id": exchange.request_id,
        "trace": exchange.trace,
    }


def _texts(headers: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    # Header bytes are not always UTF-8; latin-1 keeps every one of them.
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


class Decoder:
    """Feed it bytes, get frames; it never holds more than one frame's worth beyond what was fed."""

    def __init__(self) -> None:
        """Start at a frame boundary."""
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames completed by `data`; ProtocolError on nonsense."""
        self._buffer += data
        frames: list[Frame] = []
        start = 0
        while (end := self._frame_end(start)) is not None:
            frames.append(_parse(bytes(memoryview(self._buffer)[start + _PREFIX.size : end])))
            start = end
        del self._buffer[:start]
        return frames

    def _frame_end(self, start: int) -> int | None:
        if len(self._buffer) - start < _PREFIX.size:
            return None
        (size,) = _PREFIX.unpack_from(self._buffer, start)
        if not _HEAD.size <= size <= MAX_FRAME:
            raise ProtocolError(f"a frame cannot have {size} bytes")
        end = start + _PREFIX.size + int(size)
        return end if len(self._buffer) >= end else None


def _parse(payload: bytes) -> Frame:
    kind, length = _HEAD.unpack_from(payload)
    text, rest = payload[_HEAD.size : _HEAD.size + length], payload[_HEAD.size + length :]
    try:
        head = orjson.loads(text)
        if kind == _HELLO:
            return Hello(_text(head["instance"]), _totals(head["totals"]))
        if kind == _TOTALS:
            return TotalsFrame(_totals(head["totals"]))
        if kind == _EXCHANGE:
            return ExchangeFrame(_exchange(head, rest), _counters(head["totals"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProtocolError(f"a frame of kind {kind!r} does not hold what it must: {error!r}") from None
    raise ProtocolError(f"there is no frame of kind {kind!r}")


def _exchange(head: dict[str, Any], rest: bytes) -> Exchange:
    cut = _whole(head["request_body"])
    if cut > len(rest):
        raise ValueError("the request body is cut off")
    return Exchange(
        route=_text(head["route"]),
        session_key=None if head["key"] is None else _text(head["key"]),
        signed_key=bool(head["signed"]),
        method=_text(head["method"]),
        target=head["target"].encode("latin-1"),
        request_headers=_headers(head["request_headers"]),
        request_body=rest[:cut],
        answered_by=_text(head["answered_by"]),
        status=_whole(head["status"]),
        response_headers=_headers(head["response_headers"]),
        body=rest[cut:],
        started_at=float(head["started_at"]),
        elapsed_ms=float(head["elapsed_ms"]),
        fallback=bool(head["fallback"]),
        request_id=_text(head["request_id"]),
        trace=None if head["trace"] is None else _text(head["trace"]),
    )


def _headers(pairs: list[list[str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


def _totals(value: dict[str, dict[str, int]]) -> Totals:
    return {_text(route): _counters(counters) for route, counters in value.items()}


def _counters(value: dict[str, int]) -> Mapping[str, int]:
    return {_text(reason): _whole(count) for reason, count in value.items()}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"not a text: {value!r:.40}")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"not a count: {value!r:.40}")
    return value
