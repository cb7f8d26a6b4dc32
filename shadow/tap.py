"""The tap, seen from the facade: exchanges go out after the user's last byte, and nothing ever waits.

One stream Unix connection, bounded by bytes, dropping the newest when full, with cumulative totals so that
what was dropped, cut off or never sent is known to the last exchange:
`eligible = tapped + Σ reasons`, for each route and sender.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

from migration.core.signing import sign, verify
from shadow.core.frames import (
    MAX_FRAME,
    TAPPED,
    Decoder,
    Exchange,
    ExchangeFrame,
    Hello,
    ProtocolError,
    TotalsFrame,
    encode,
)

__all__ = [
    "SHADOW_HEADER",
    "Decoder",
    "Exchange",
    "ExchangeFrame",
    "Hello",
    "ProtocolError",
    "TapSender",
    "TotalsFrame",
    "encode",
    "is_shadow_call",
    "reachable",
    "shadow_token",
]

SHADOW_HEADER = "X-Shadow"
_PURPOSE = "shadow"
_MAX_BYTES = 32 * 1024 * 1024  # holds a 100 ms pause of the reader at 5,000 answers/s of 64 KB
_TOTALS_EVERY = 0.25  # seconds; the reader batches its writes in the same rhythm
_RETRY_FIRST, _RETRY_MOST = 0.05, 1.0  # seconds between attempts to connect
_SOCKET_PATH_LIMIT = 100  # bytes; sun_path holds 108 on Linux and 104 elsewhere


def shadow_token(secret: bytes, request_id: str) -> str:
    """The value of `X-Shadow` on a candidate call for `request_id`."""
    return f"v1.{sign(secret, _PURPOSE, request_id)}.{request_id}"


def is_shadow_call(secret: bytes, value: str) -> bool:
    """Whether this `X-Shadow` value was made by us: such a request must never be tapped again."""
    version, _, rest = value.partition(".")
    signature, _, request_id = rest.partition(".")
    return version == "v1" and request_id != "" and verify(secret, _PURPOSE, request_id, signature)


@contextlib.contextmanager
def reachable(path: str | Path) -> Iterator[str]:
    """`path`, spelled so that a socket address can hold it (an open directory stands in for a long one)."""
    path = Path(path)
    if len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT or not Path("/proc/self/fd").is_dir():
        yield str(path)
        return
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{path.name}"
    finally:
        os.close(handle)


class TapSender:
    """The facade's end of the tap. `offer` and `count` never block, never await and never raise."""

    def __init__(self, path: str | Path, instance: str, max_bytes: int = _MAX_BYTES) -> None:
        """Send to the socket at `path`; `instance` names this facade process for people."""
        self._path = Path(path)
        # A restarted facade counts from zero again: a name used twice would look like lost exchanges.
        self.instance = f"{instance}-{secrets.token_hex(6)}"
        self._max_bytes = max_bytes
        self._queue: deque[tuple[Exchange, int]] = deque()
        self._queued_bytes = 0
        self._totals: dict[str, dict[str, int]] = {}
        self._changed: set[str] = set()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._connected = False
        self._closing = False

    @property
    def connected(self) -> bool:
        """Whether the shadow process listens now."""
        return self._connected

    @property
    def queued_bytes(self) -> int:
        """About how many bytes wait to be sent."""
        return self._queued_bytes

    def totals(self) -> Mapping[str, Mapping[str, int]]:
        """Cumulative counters: route → reason → count, with `tapped` and the derived `eligible`."""
        return {
            route: {**counters, "eligible": sum(counters.values()) + self._waiting(route)}
            for route, counters in self._totals.items()
        }

    def _waiting(self, route: str) -> int:
        return sum(exchange.route == route for exchange, _ in self._queue)

    def offer(self, exchange: Exchange) -> None:
        """Send this exchange if the shadow process is there and the queue has room; else count why not."""
        size = exchange.size
        if not self._connected or self._closing:
            self.count(exchange.route, "shadow_away")
        elif size > MAX_FRAME // 2:
            self.count(exchange.route, "too_large")
        elif self._queued_bytes + size > self._max_bytes:
            self.count(exchange.route, "queue_full")
        else:
            self._queue.append((exchange, size))
            self._queued_bytes += size
            self._totals.setdefault(exchange.route, {})
            self._wake.set()

    def count(self, route: str, reason: str) -> None:
        """Add one eligible exchange of `route` that is not compared because of `reason`."""
        counters = self._totals.setdefault(route, {})
        counters[reason] = counters.get(reason, 0) + 1
        self._changed.add(route)

    async def run(self) -> None:
        """Connect, send, connect again, until cancelled or closed."""
        pause = _RETRY_FIRST
        while not self._closing:
            try:
                with reachable(self._path) as address:
                    reader, writer = await asyncio.open_unix_connection(address)
            except OSError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _RETRY_MOST)
                continue
            pause = _RETRY_FIRST
            await self._converse(reader, writer)

    async def close(self, drain_s: float = 2.0) -> None:
        """Give what is queued and the last totals `drain_s` seconds to leave."""
        self._closing = True
        self._wake.set()
        if self._connected:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), drain_s)
        self._drop_queue()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._idle.clear()
        hangup = asyncio.ensure_future(reader.read())  # the peer never speaks: this ends when it hangs up
        sending = asyncio.ensure_future(self._send_all(writer))
        try:
            await asyncio.wait({hangup, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._connected = False
            if sending.done():
                writer.close()  # flushes
            else:
                writer.transport.abort()  # a peer that stopped reading would keep a flush waiting for ever
            for task in (hangup, sending):
                task.cancel()
            await asyncio.gather(hangup, sending, return_exceptions=True)
            self._drop_queue()
            self._idle.set()

    async def _send_all(self, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            self._changed.clear()
            await self._write(writer, encode(Hello(self.instance, self._totals)))
            self._connected = not self._closing
            while not (self._closing and not self._queue):
                await self._send_queued(writer)
                await self._send_totals(writer)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), _TOTALS_EVERY)
            await self._send_totals(writer)

    async def _send_queued(self, writer: asyncio.StreamWriter) -> None:
        self._wake.clear()
        while self._queue:
            exchange, size = self._queue.popleft()
            self._queued_bytes -= size
            # Counted before the write: a connection that breaks in it shows as lost, never as nothing.
            self.count(exchange.route, TAPPED)
            await self._write(writer, encode(ExchangeFrame(exchange, self._totals[exchange.route])))

    async def _send_totals(self, writer: asyncio.StreamWriter) -> None:
        if not self._changed:
            return
        changed, self._changed = self._changed, set()
        await self._write(writer, encode(TotalsFrame({route: self._totals[route] for route in changed})))

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        await writer.drain()

    def _drop_queue(self) -> None:
        while self._queue:
            exchange, _ = self._queue.popleft()
            self.count(exchange.route, "shadow_away")
        self._queued_bytes = 0
