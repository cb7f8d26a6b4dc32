"""A WebSocket after its handshake: bytes to and fro, each end as fast as the other takes them."""

from __future__ import annotations

import asyncio
from typing import Protocol

from facade.adapters.upstream import BackendConnection


class Client(Protocol):
    """The client's connection."""

    def pause_reading(self) -> None:
        """Take nothing more from the client for now."""
        ...

    def resume_reading(self) -> None:
        """Take more."""
        ...


class Tunnel:
    """Joins a client and a backend until either hangs up."""

    __slots__ = ("_backend", "_client", "_loop", "_transport", "last_byte")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, client: Client,
        backend: BackendConnection,
    ) -> None:  # fmt: skip
        """`transport` leads to the client."""
        self._loop, self._transport, self._client, self._backend = loop, transport, client, backend
        self.last_byte = loop.time()

    def join(self, first: bytes) -> None:
        """Begin, with the client's `first` bytes: none of them may pass before the backend agreed."""
        self._backend.on_room(self._client.resume_reading)
        early = self._backend.join(self._from_backend)
        if early:
            self._transport.write(early)
        if first:
            self.from_client(first)

    @property
    def is_open(self) -> bool:
        """Whether both ends are there."""
        return self._backend.usable and not self._transport.is_closing()

    def from_client(self, data: bytes) -> None:
        """Pass on what the client sent."""
        self.last_byte = self._loop.time()
        self._backend.pass_on(data)
        if not self._backend.takes_more:
            self._client.pause_reading()

    def hold_backend(self, *, pause: bool) -> None:
        """The client does not, or does again, take what it is sent."""
        self._backend.hold(pause=pause)

    def close(self) -> None:
        """One end is gone, so the other one goes."""
        self._backend.abort()

    def _from_backend(self, data: bytes) -> None:
        self.last_byte = self._loop.time()
        if not self._transport.is_closing():
            self._transport.write(data)
