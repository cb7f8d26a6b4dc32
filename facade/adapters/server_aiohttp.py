"""The listener's side of aiohttp's server: it makes connections, and ends them together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp.web import BaseRequest, RequestHandler, Server, StreamResponse

from facade.adapters.client_aiohttp import AiohttpClient
from facade.adapters.connection_aiohttp import Answered, FacadeConnection
from facade.core.clean import MAX_HEAD, MAX_HEADERS
from facade.core.problem import Problem
from facade.core.target import MAX_TARGET
from facade.settings import Limits

_READ = 64 * 1024

Handle = Callable[[AiohttpClient], Awaitable[None]]


class FacadeServer(Server):
    """Makes connections, and ends them together."""

    def __init__(
        self, handle: Handle, limits: Limits, max_connections: int, on_refused: Callable[[Problem], None]
    ) -> None:
        """`on_refused` hears of requests that never reached `handle`."""
        super().__init__(self._serve, handler_cancellation=True)
        self._handle = handle
        self.limits, self.max_connections, self.on_refused = limits, max_connections, on_refused
        self.draining = False

    def __call__(self) -> RequestHandler:
        """A protocol for one more connection."""
        return FacadeConnection(
            self,
            self,
            keepalive_timeout=self.limits.idle,
            max_line_size=MAX_TARGET,
            max_field_size=MAX_HEAD,
            max_headers=MAX_HEADERS,
            lingering_time=self.limits.linger,
            read_bufsize=_READ,
            auto_decompress=False,
            access_log=None,
        )

    def admits(self) -> bool:
        """Whether there is room for one more connection."""
        return len(self._connections) < self.max_connections

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    async def _serve(self, request: BaseRequest) -> StreamResponse:
        client = AiohttpClient(request, self.limits)
        await self._handle(client)
        # A client may have closed its half, or a drain begun, since the head said keep-alive.
        keep = client.keep_alive and not client.connection.must_close
        return cast(StreamResponse, Answered(keep))
