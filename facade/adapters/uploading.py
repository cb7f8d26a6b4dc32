"""A request's body on its way to a backend: passed on as it comes, while the flow waits for the answer."""

from __future__ import annotations

import asyncio
from typing import Protocol

from facade.adapters.upstream import BackendConnection
from facade.core.http1.requests import RequestReader
from facade.core.incoming import check_grown
from facade.core.problem import Problem
from facade.errors import ClientGone, FacadeError, Refused, UpstreamError
from facade.settings import Limits

_AHEAD = 64 * 1024  # unread bytes of a body before its client is made to wait
_SLOW_BODY = Problem(408, "body_timeout", "The body came too slowly. Send it again.")


class Client(Protocol):
    """Whose body it is."""

    half_closed: bool

    def pause_reading(self) -> None:
        """Take nothing more from the client for now."""
        ...

    def resume_reading(self) -> None:
        """Take more."""
        ...

    def wake(self) -> None:
        """Go on with the request."""
        ...


class Upload:
    """Moves bytes whenever there are some and the backend takes them; looked at by the flow."""

    __slots__ = (
        "_client", "_connection", "_deadline", "_error", "_limit", "_limits", "_loop", "_moved_at", "_reader",
        "_received", "_turning", "_unsent", "_waited", "_waits_for_client", "over",
    )  # fmt: skip

    def __init__(
        self, reader: RequestReader, connection: BackendConnection, limit: int | None, limits: Limits,
        loop: asyncio.AbstractEventLoop, client: Client,
    ) -> None:  # fmt: skip
        """`limit` is how many bytes the client may bring."""
        self._reader, self._connection, self._limit, self._limits = reader, connection, limit, limits
        self._loop, self._client = loop, client
        self._error: FacadeError | None = None
        self.over = self._turning = False
        self._received = 0
        self._waited = 0.0
        self._waits_for_client = True
        self._moved_at = loop.time()
        self._deadline = self._moved_at + limits.body_grace
        self._unsent = -1
        connection.on_room(self.move)

    def move(self) -> None:
        """Pass on what is here, unless its turn comes soon: else each piece that comes would add a turn."""
        if self.over or self._turning:
            return
        if not self._connection.takes_more:
            self._client.pause_reading()
            self._wait(for_client=False)
            return
        before = self._reader.buffered
        try:
            self._pass_on(self._reader.read_body())
        except FacadeError as error:
            self._fail(error)
            return
        if self._reader.body_ended:
            self.over = True
            self._client.wake()
            return
        left = self._reader.buffered
        # Wrapping takes far longer to read than to send: without a pause it would fill our memory.
        (self._client.pause_reading if left > _AHEAD else self._client.resume_reading)()
        if left and left < before:
            self._turning = True
            self._loop.call_soon(self._turn)  # there is more, but others have their turn first
        elif self._client.half_closed:
            self._fail(ClientGone("the client closed its half in the middle of its body"))
            return
        self._wait(for_client=self._connection.takes_more)

    def _turn(self) -> None:
        self._turning = False
        self.move()

    def under_way(self) -> bool:
        """Whether it goes on; Refused where the client is at fault, UpstreamError where the backend is."""
        if self._error is not None:
            if not isinstance(self._error, UpstreamError):
                raise self._error
            return False  # the backend hung up: it may have answered before it did
        if not self.over and self._loop.time() >= self._deadline:
            if self._waits_for_client:
                raise Refused(_SLOW_BODY)
            self._check_progress()
        return not self.over

    def stop(self) -> None:
        """Nobody wants the rest."""
        self.over = True

    def _check_progress(self) -> None:
        """A slow backend that still takes what it is sent gets another deadline."""
        patience, unsent = self._limits.stalled_write, self._connection.unsent
        if self._unsent - unsent < self._limits.body_rate * patience:
            raise UpstreamError("stalled", self._connection.backend)
        self._unsent = unsent
        self._deadline = self._loop.time() + patience

    def _fail(self, error: FacadeError) -> None:
        self._error, self.over = error, True
        self._client.wake()

    def _pass_on(self, data: bytes) -> None:
        if data:
            self._received += len(data)
            if self._unsent < 0 and self._received > _AHEAD:
                self._unsent = 0
                self._connection.show_progress()  # a call into the kernel, which small bodies are spared
            check_grown(self._received, self._limit)
            self._connection.send(data)
        if self._reader.body_ended:
            self._connection.sent_all()

    def _wait(self, *, for_client: bool) -> None:
        """A body must keep up an average rate and never be silent for long; a backend must take some."""
        now = self._loop.time()
        if self._waits_for_client:
            self._waited += now - self._moved_at
        self._moved_at, self._waits_for_client = now, for_client
        if not for_client:
            self._deadline = now + self._limits.stalled_write
            self._unsent = self._connection.unsent
            return
        # On average, and never for long: else a client with a large body behind it might pause for days.
        average = self._limits.body_grace + self._received / self._limits.body_rate - self._waited
        self._deadline = now + min(average, self._limits.body_silence)
