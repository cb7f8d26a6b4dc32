"""The facade's end of the tap: one stream Unix connection, bounded by bytes, that drops the newest when full.

Cumulative totals go with the exchanges, so that what was dropped, cut off or never sent is known to the last
one: `eligible = tapped + Σ reasons`, for each route and sender. Nothing is encoded while a request is served:
exchanges gather, and leave together in turns of the event loop that are each too short to be felt.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path

from shadow.address import reachable
from shadow.core.books import Books
from shadow.core.exchange import BESIDES, Exchange, written_head
from shadow.core.frames import MAX_FRAME, Hello, Row, TotalsFrame, encode, exchanges_frame
from shadow.line import SLICE, Line, slices

_MAX_BYTES = 32 * 1024 * 1024  # holds a 100 ms pause of the reader at 5,000 answers/s of 64 KB
_LARGEST = MAX_FRAME // 2  # bytes of one exchange
_GATHER = 0.01  # seconds: at 2,500 a second 25 exchanges share a timer, a frame and a system call
_BATCH = 64 * 1024  # bytes: 25 small exchanges, whose frame takes 20 µs to make; a socket takes it at once
_TOTALS_EVERY = 0.25  # seconds; the reader batches its writes in the same rhythm
_RETRY_FIRST, _RETRY_MOST = 0.05, 1.0  # seconds between attempts to connect
_ROUTE_OF = itemgetter(0)  # of a row
_AWAY, _OVERLOAD, _FULL, _TOO_LARGE = "shadow_away", "overload", "queue_full", "too_large"


@dataclass(slots=True)
class _Batch:
    """What one frame is made of."""

    rows: list[Row] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)
    size: int = 0


class TapSender:
    """Where exchanges go. `offer` and `count` never block, never await and never raise."""

    def __init__(self, path: str | Path, instance: str, max_bytes: int = _MAX_BYTES) -> None:
        """Send to the socket at `path`; `instance` names this facade process for people."""
        self._path = Path(path)
        # A restarted facade counts from zero again: a name used twice would look like lost exchanges.
        self.instance = f"{instance}-{secrets.token_hex(6)}"
        self._max_bytes = max_bytes
        self._full: deque[_Batch] = deque()
        self._open = _Batch()
        self._queued_bytes = 0
        self._books = Books()
        self._line: Line | None = None
        self._rest: deque[bytes | memoryview] = deque()  # of a frame that is too large for one turn
        self._turn: asyncio.Handle | None = None
        self._pressed = self._closing = False
        self._refusal: str | None = _AWAY

    @property
    def connected(self) -> bool:
        """Whether the shadow process listens now."""
        return self._line is not None and not self._closing

    @property
    def queued_bytes(self) -> int:
        """About how many bytes wait to be sent."""
        return self._queued_bytes

    @property
    def pressed(self) -> bool:
        """Whether the facade has no strength to spare: users first, evidence later."""
        return self._pressed

    @pressed.setter
    def pressed(self, pressed: bool) -> None:
        self._pressed = pressed
        self._decide()

    @property
    def refusal(self) -> str | None:
        """Why an exchange offered now would only be counted; None: it is taken, and a copy is worth it."""
        return self._refusal or (_FULL if self._queued_bytes >= self._max_bytes else None)

    def totals(self) -> Mapping[str, Mapping[str, int]]:
        """Cumulative counters: route → reason → count, with `tapped` and the derived `eligible`."""
        return self._books.with_eligible()

    def take(
        self,
        route: str,
        session_key: str | None,
        signed_key: bool,
        method: str,
        target: bytes,
        request_head: bytes,
        request_body: bytes,
        answered_by: str,
        status: int,
        response_head: bytes,
        body: bytes | Sequence[bytes],
        started_at: float,
        elapsed_ms: float,
        fallback: bool,
        request_id: str,
        trace: str | None = None,
    ) -> None:
        """Send this exchange if the shadow process is there and the queue has room; else count why not.

        The fields are those of an Exchange, but for the heads: `request_head` is what the answering side was
        sent, `response_head` what it answered, as bytes of the wire with their start line (b"": no headers),
        so that nobody parses or copies them for this. `body` may be given in pieces.
        """
        # Every answer of a mirrored route pays for this. A small copy is cheaper than five objects kept.
        if self._refusal is not None:
            self._books.count(route, self._refusal)
            return
        if isinstance(body, bytes) and len(body) < _BATCH:
            parts: Sequence[bytes] = (b"".join((target, request_head, response_head, request_body, body)),)
            of_body, size = len(body), BESIDES + len(parts[0])
        else:
            pieces = (body,) if isinstance(body, bytes) else body
            parts = (target, request_head, response_head, request_body, *pieces)
            of_body, size = sum(map(len, pieces)), BESIDES + sum(map(len, parts))
        if size > _LARGEST or self._queued_bytes + size > self._max_bytes:
            self._books.count(route, _TOO_LARGE if size > _LARGEST else _FULL)
            return
        self._books.waiting[route] += 1
        self._queued_bytes += size
        batch = self._open
        batch.rows.append(
            (
                route, method, request_id, answered_by, session_key, trace, signed_key, fallback,
                started_at, elapsed_ms, status,
                len(target), len(request_head), len(response_head), len(request_body), of_body,
            )
        )  # fmt: skip
        batch.parts += parts
        batch.size += size
        if batch.size >= _BATCH:
            self._full.append(batch)
            self._open = _Batch()
        if self._turn is None:
            self._turn = asyncio.get_running_loop().call_later(_GATHER, self._take_turn)

    def offer(self, exchange: Exchange) -> None:
        """The same for an exchange whose headers were parsed."""
        self.take(
            exchange.route,
            exchange.session_key,
            exchange.signed_key,
            exchange.method,
            exchange.target,
            written_head(exchange.request_headers),
            exchange.request_body,
            exchange.answered_by,
            exchange.status,
            written_head(exchange.response_headers),
            exchange.body,
            exchange.started_at,
            exchange.elapsed_ms,
            exchange.fallback,
            exchange.request_id,
            exchange.trace,
        )

    def count(self, route: str, reason: str) -> None:
        """Add one eligible exchange of `route` that is not compared because of `reason`."""
        self._books.count(route, reason)

    async def run(self) -> None:
        """Connect, send, connect again, until cancelled or closed."""
        loop, pause = asyncio.get_running_loop(), _RETRY_FIRST
        while not self._closing:
            began = loop.time()
            with contextlib.suppress(OSError):
                await self._converse(await self._connect())
            # A peer that hangs up at once (another user's, another version's) is not asked in a busy loop.
            pause = _RETRY_FIRST if loop.time() - began > _RETRY_MOST else min(pause * 2, _RETRY_MOST)
            if not self._closing:
                await asyncio.sleep(pause)

    async def close(self, drain_s: float = 2.0) -> None:
        """Give what is queued and the last totals `drain_s` seconds to leave."""
        self._closing = True
        self._decide()
        line = self._line
        if line is not None:
            self._take_turn_soon()
            await asyncio.wait((line.gone,), timeout=drain_s)
            line.abort()
        self._drop_queue()

    async def _connect(self) -> Line:
        with reachable(self._path) as address:
            loop = asyncio.get_running_loop()
            _, line = await loop.create_unix_connection(
                lambda: Line(self._begun, self._ended, self._take_turn_soon), address
            )
            return line

    async def _converse(self, line: Line) -> None:
        try:
            while not line.gone.done():
                await asyncio.wait((line.gone,), timeout=_TOTALS_EVERY)
                self._send_totals()
        finally:
            line.abort()
            self._ended(line)

    # -- what the connection tells -------------------------------------------------------------------

    def _begun(self, line: Line) -> None:
        """The connection stands: everything counted so far goes first."""
        line.write(encode(Hello(self.instance, self._books.all())))
        self._line = line
        self._decide()
        if self._closing:
            self._take_turn_soon()

    def _ended(self, line: Line) -> None:
        """The connection is gone, and with it what it held: counted as tapped, and known as lost by that."""
        if self._line is line:
            self._line = None
            self._decide()
            self._rest.clear()
            self._drop_queue()

    # -- turns ---------------------------------------------------------------------------------------

    def _take_turn_soon(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
        self._turn = asyncio.get_running_loop().call_soon(self._take_turn)

    def _take_turn(self) -> None:
        """Write a little; what is left has its turn after everybody else had one."""
        self._turn = None
        line = self._line
        if line is None or line.paused:
            return  # the connection says when it stands, and when it takes more
        if self._rest:
            line.write(self._rest.popleft())
        elif self._full or self._open.rows:
            line.write(self._next_frame())
        elif self._closing:
            self._send_totals()
            line.finish()
            return
        if self._rest or self._full or self._open.rows or self._closing:
            self._turn = asyncio.get_running_loop().call_soon(self._take_turn)

    def _next_frame(self) -> bytes | memoryview:
        if self._full:
            batch = self._full.popleft()
        else:
            batch, self._open = self._open, _Batch()
        self._queued_bytes -= batch.size
        # Counted before the write: a connection that breaks in it shows as lost, never as nothing.
        tapped = self._books.tapped(map(_ROUTE_OF, batch.rows))
        frame = exchanges_frame(batch.rows, batch.parts, tapped)
        if batch.size <= SLICE:
            return b"".join(frame)
        self._rest.extend(slices(frame))
        return self._rest.popleft()

    def _send_totals(self) -> None:
        # Not between the parts of one frame, and not to a peer that does not read.
        if self._line is None or self._line.paused or self._rest:
            return
        if changed := self._books.changed():
            self._line.write(encode(TotalsFrame(changed)))

    def _decide(self) -> None:
        if self._line is None or self._closing:
            self._refusal = _AWAY
        else:
            self._refusal = _OVERLOAD if self._pressed else None

    def _drop_queue(self) -> None:
        self._books.dropped(_AWAY)
        self._full.clear()
        self._open = _Batch()
        self._queued_bytes = 0
