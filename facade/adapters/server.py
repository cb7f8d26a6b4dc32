"""All client connections of one worker: how many there may be, their deadlines, and how they end together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

from facade.adapters.client import ClientConnection
from facade.core.problem import Problem
from facade.ports import ClientSide
from facade.settings import Limits

# Deadlines are looked at that often: one look at all connections is cheaper than a timer for each request.
_EVERY = 0.05

Handle = Callable[[ClientSide], Coroutine[Any, Any, None]]


class FacadeServer:
    """Makes connections; called by the event loop for each new client."""

    def __init__(
        self,
        handle: Handle,
        limits: Limits,
        max_connections: int,
        on_refused: Callable[[Problem], None],
        on_broken: Callable[[BaseException], None],
    ) -> None:
        """`on_refused` hears of requests that never reached `handle`."""
        self.handle, self.limits, self.max_connections = handle, limits, max_connections
        self.on_refused, self.on_broken = on_refused, on_broken
        self.loop = asyncio.get_running_loop()
        self.draining = False
        self._connections: set[ClientConnection] = set()
        self._empty = asyncio.Event()
        self._sweeping = self.loop.call_later(_EVERY, self._sweep)

    def __call__(self) -> asyncio.Protocol:
        """A protocol for one more connection."""
        return cast(asyncio.Protocol, ClientConnection(self))

    def enter(self, connection: ClientConnection) -> bool:
        """Count one more connection; False when there is no room for it."""
        self._connections.add(connection)
        return len(self._connections) <= self.max_connections

    def leave(self, connection: ClientConnection) -> None:
        """It is gone."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    def pre_shutdown(self) -> None:
        """Close what is idle; what is busy says `Connection: close` with its answer."""
        self.draining = True
        for connection in list(self._connections):
            connection.end_idle()

    async def shutdown(self, seconds: float) -> None:
        """Wait until all are gone, for at most that long; then hang up."""
        self._empty.clear()
        if self._connections:
            try:
                async with asyncio.timeout(seconds):
                    await self._empty.wait()
            except TimeoutError:
                for connection in list(self._connections):
                    connection.cut()
        self._sweeping.cancel()

    def _sweep(self) -> None:
        self._sweeping = self.loop.call_later(_EVERY, self._sweep)  # before what may break
        now = self.loop.time()
        for connection in [each for each in self._connections if each.deadline <= now]:
            connection.late()
