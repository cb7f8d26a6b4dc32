"""Connections to backends, kept alive by our rules: how long, for whom, and when never again."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from urllib.parse import urlsplit

from facade.adapters.upstream_aiohttp import Connection, Wire
from facade.core.headers import Headers, elements, first
from facade.errors import UpstreamError

_MAX_KEEP = 15.0  # however long a backend promises to keep a connection


class Pool:
    """The connections to one backend."""

    def __init__(self, name: str, url: str, *, connect_timeout: float, max_idle: float) -> None:
        """`max_idle` is below the time after which the backend closes an idle connection, in seconds."""
        parts = urlsplit(url)
        self.name, self.url = name, url
        self._host = parts.hostname or "127.0.0.1"
        self._ssl = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._ssl else 80)
        self._connect_timeout, self._max_idle = connect_timeout, max_idle
        self._loop = asyncio.get_running_loop()
        self._idle: deque[Wire] = deque()
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False
        self.poisoned = False
        self.opened = 0
        self.busy = 0

    @property
    def idle(self) -> int:
        """How many connections wait for a request."""
        return len(self._idle)

    async def acquire(self, *, max_idle: float) -> Connection:
        """A connection that was idle for at most `max_idle` seconds, or a new one."""
        wire = self._take(min(max_idle, self._max_idle))
        if wire is None:  # not `or`: a wire with nothing to read is false
            wire = await self._open()
        self.busy += 1
        return Connection(self, wire)

    def keep(self, wire: Wire) -> None:
        """Take a connection back after a cleanly framed answer, one turn of the loop later."""
        self.busy -= 1
        wire.exchanges += 1
        self._loop.call_soon(self._settle, wire)

    def let_go(self, wire: Wire) -> None:
        """Close a connection that is of no more use."""
        self.busy -= 1
        wire.abort()

    def look(self, wire: Wire) -> None:
        """Notice a backend that sends what nobody asked for: its connections are not reused any more."""
        if wire.spoke_unasked():
            self.poisoned = True

    def learn(self, headers: Headers) -> None:
        """Honour a `Keep-Alive: timeout=n`: half of it leaves room for what is under way."""
        said = first(headers, b"keep-alive")
        if said is None:
            return
        for element in elements([said]):
            name, _, value = element.partition(b"=")
            if name.strip() == b"timeout" and value.strip().isdigit() and len(value) < 6:
                self._max_idle = min(max(int(value) / 2, 0.1), _MAX_KEEP)

    def close(self) -> None:
        """Close what is idle; what is busy is closed when it comes back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _take(self, max_idle: float) -> Wire | None:
        now = self._loop.time()
        while self._idle:
            wire = self._idle.pop()
            since, wire.idle_since = wire.idle_since or 0.0, None
            self.look(wire)
            if wire.should_close or not wire.is_connected() or self.poisoned:
                wire.close()
            elif now - since > max_idle:
                # The newest is too old, so all are; the sweep closes them, safe requests may still use them.
                wire.idle_since = since
                self._idle.append(wire)
                return None
            else:
                return wire
        return None

    async def _open(self) -> Wire:
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, wire = await self._loop.create_connection(
                    lambda: Wire(self._loop), self._host, self._port, ssl=self._ssl
                )
        except TimeoutError:
            raise UpstreamError("connect_timeout", self.name, self.url) from None
        except OSError as error:
            raise UpstreamError("connect", self.name, f"{self.url}: {error.strerror or error}") from None
        self.opened += 1
        return wire

    def _settle(self, wire: Wire) -> None:
        self.look(wire)
        if self._closed or self.poisoned or wire.should_close or not wire.is_connected():
            wire.close()
            return
        wire.idle_since = self._loop.time()
        self._idle.append(wire)
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(self._max_idle / 4, self._sweep)

    def _sweep(self) -> None:
        now = self._loop.time()
        while self._idle and now - (self._idle[0].idle_since or 0.0) > self._max_idle:
            self._idle.popleft().close()
        later = self._loop.call_later(self._max_idle / 4, self._sweep) if self._idle else None
        self._sweeping = later


class Pools:
    """One pool per backend, kept through reloads of the plan while its URL stays the same."""

    def __init__(self, *, connect_timeout: float, max_idle: float) -> None:
        """The same limits for every backend."""
        self._connect_timeout, self._max_idle = connect_timeout, max_idle
        self.pools: dict[tuple[str, str], Pool] = {}

    def get(self, name: str, url: str) -> Pool:
        """The pool of a backend."""
        pool = self.pools.get((name, url))
        if pool is None:
            pool = Pool(name, url, connect_timeout=self._connect_timeout, max_idle=self._max_idle)
            self.pools[name, url] = pool
        return pool

    def keep_only(self, wanted: set[tuple[str, str]]) -> None:
        """Close the pools of backends that left the plan."""
        for gone in set(self.pools) - wanted:
            self.pools.pop(gone).close()

    def close(self) -> None:
        """Close all."""
        self.keep_only(set())
