"""Connections to backends, kept alive by our rules: how long, for whom, and when never again."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

from facade.adapters.upstream import BackendConnection
from facade.core.headers import elements
from facade.core.keeping import Keeping
from facade.errors import UpstreamError


class Opening:
    """A connection that is being made, and who waits for it."""

    def __init__(self, pool: Pool, wake: Callable[[], None]) -> None:
        """Begin."""
        self._pool, self._wake = pool, wake
        self._given_up = False
        self._task = asyncio.ensure_future(pool.connect())
        self._task.add_done_callback(self._done)

    def result(self) -> BackendConnection | None:
        """The connection once it is there; UpstreamError when it will not come."""
        if not self._task.done():
            return None
        connection = self._task.result()
        connection.begin(self._wake)
        return connection

    def give_up(self) -> None:
        """Nobody waits for it any more: it is closed when it comes."""
        self._given_up = True
        self._task.cancel()

    def _done(self, task: asyncio.Task[BackendConnection]) -> None:
        failed = task.cancelled() or task.exception() is not None
        if self._given_up:
            self._pool.busy -= 1
            if not failed:
                task.result().close()
            return
        if failed:
            self._pool.busy -= 1
        self._wake()


class Pool:
    """The connections to one backend."""

    def __init__(self, name: str, url: str, *, connect_timeout: float, max_idle: float) -> None:
        """`max_idle` is below the time after which the backend closes an idle connection, in seconds."""
        parts = urlsplit(url)
        self.name, self.url = name, url
        self._host = parts.hostname or "127.0.0.1"
        self._ssl = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._ssl else 80)
        self._connect_timeout = connect_timeout
        self._keeping = Keeping(max_idle)
        self._loop = asyncio.get_running_loop()
        self._idle: deque[BackendConnection] = deque()
        self._settling: list[BackendConnection] = []
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False
        self.poisoned = False
        self.opened = 0
        self.busy = 0

    @property
    def idle(self) -> int:
        """How many connections wait for a request."""
        return len(self._idle)

    def take(self, wake: Callable[[], None], *, max_idle: float) -> BackendConnection | None:
        """A connection that was idle for at most `max_idle` seconds, the last used first."""
        if not self._idle:
            return None
        oldest = self._loop.time() - min(max_idle, self._keeping.max_idle)
        while self._idle:
            # The newest is too old, so all are; the sweep closes them, safe requests may still use them.
            if self._idle[-1].idle_since < oldest:
                return None
            connection = self._idle.pop()
            if connection.usable and not self.poisoned:
                self.busy += 1
                connection.begin(wake)
                return connection
            connection.close()
        return None

    def open(self, wake: Callable[[], None]) -> Opening:
        """Begin to open a new connection."""
        self.busy += 1
        return Opening(self, wake)

    async def connect(self) -> BackendConnection:
        """A new connection; UpstreamError (connect, connect_timeout)."""
        try:
            async with asyncio.timeout(self._connect_timeout):
                connection = BackendConnection(self)
                await self._loop.create_connection(
                    lambda: cast(asyncio.Protocol, connection), self._host, self._port, ssl=self._ssl
                )
        except TimeoutError:
            raise UpstreamError("connect_timeout", self.name, self.url) from None
        except OSError as error:
            raise UpstreamError("connect", self.name, f"{self.url}: {error.strerror or error}") from None
        self.opened += 1
        return connection

    def keep(self, connection: BackendConnection) -> None:
        """Take a connection back after a cleanly framed answer, one turn of the loop later."""
        self.busy -= 1
        if not self._settling:
            self._loop.call_soon(self._settle)
        self._settling.append(connection)

    def let_go(self, connection: BackendConnection) -> None:
        """A busy connection has been closed."""
        self.busy -= 1

    def lost(self, connection: BackendConnection) -> None:
        """An idle connection was closed by the backend: it does so after that long."""
        if connection.exchanges and connection.idle_since:
            now = self._loop.time()
            self._keeping.closed_after(now - connection.idle_since, now)

    def spoke_unasked(self) -> None:
        """The backend sent what nobody asked for: its connections are not reused any more."""
        self.poisoned = True

    def learn(self, said: list[bytes]) -> None:
        """Honour a `Keep-Alive: timeout=n`."""
        self._keeping.said(elements(said))

    def close(self) -> None:
        """Close what is idle; what is busy is closed when it comes back."""
        self._closed = True
        self._settle()
        while self._idle:
            self._close_idle(self._idle.pop())
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _settle(self) -> None:
        settling, self._settling = self._settling, []
        now = self._loop.time()
        for connection in settling:
            if self._closed or self.poisoned or not connection.usable:
                connection.close()
                continue
            connection.idle_since = now
            self._idle.append(connection)
        if self._sweeping is None and self._idle:
            self._sweep_later()

    def _sweep_later(self) -> None:
        self._sweeping = self._loop.call_later(self._keeping.max_idle / 4, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        now = self._loop.time()
        self._keeping.look_back(now)
        oldest = now - self._keeping.max_idle
        while self._idle and self._idle[0].idle_since < oldest:
            self._close_idle(self._idle.popleft())
        if self._idle:
            self._sweep_later()

    def _close_idle(self, connection: BackendConnection) -> None:
        connection.idle_since = 0.0  # we closed it: nothing is learned from that
        connection.close()


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
