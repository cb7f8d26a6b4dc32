"""Through what the request path reaches the outside: a client, its upstreams, and those who listen.

The parser is behind `ClientSide` and `UpstreamConnection`: another one can take its place without a change
in the flow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from facade.core.decide import Decision
from facade.core.framing import Body
from facade.core.headers import Header
from facade.core.incoming import Head
from facade.core.problem import Problem
from shadow.tap import Exchange


@dataclass(slots=True)
class AnswerHead:
    """The head of an upstream's answer, as it came."""

    status: int
    headers: Sequence[Header]
    body: Body


class ClientSide(Protocol):
    """One request of a client, and the way back to it. Raises ClientGone where nobody listens any more."""

    @property
    def head(self) -> Head:
        """The request's head."""
        ...

    @property
    def begun(self) -> bool:
        """Whether bytes of a final answer have been sent."""
        ...

    async def read(self) -> bytes:
        """Some bytes of the body, b"" at its end; Refused (408) when they come too slowly."""
        ...

    def interim(self, status: int, headers: Sequence[Header]) -> None:
        """Send an interim answer, where the client's version knows them."""
        ...

    def begin(self, status: int, headers: Sequence[Header], body: Body, first: bytes) -> None:
        """Send the head and the first bytes of the body; without a length it is chunked or closed."""
        ...

    async def write(self, data: bytes) -> None:
        """Send bytes of the body, as fast as the client takes them."""
        ...

    async def finish(self, *, close: bool) -> None:
        """Everything was sent; `close` when the connection is of no more use."""
        ...

    async def refuse(self, problem: Problem, request_id: str) -> None:
        """Answer with a problem of ours."""
        ...

    def cut(self) -> None:
        """End the connection so that the client sees that its answer is not whole."""
        ...


class UpstreamConnection(Protocol):
    """One connection to a backend, for one exchange. Raises UpstreamError."""

    @property
    def reused(self) -> bool:
        """Whether an exchange has been made on it before."""
        ...

    def send_head(self, method: str, target: bytes, headers: Sequence[Header], body: Body) -> None:
        """Send the request's head; `body` says how what follows is framed."""
        ...

    async def send(self, data: bytes) -> None:
        """Send bytes of the body, as fast as the backend takes them."""
        ...

    def sent_all(self) -> None:
        """The whole request has been sent."""
        ...

    async def read_head(self) -> AnswerHead:
        """The next head, interim or final."""
        ...

    def available(self) -> bytes:
        """Bytes of the body that are here already."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the whole body has been read."""
        ...

    async def read(self) -> bytes:
        """Some bytes of the body, b"" at its end."""
        ...

    def release(self) -> None:
        """The exchange is over: keep the connection if nothing speaks against it."""
        ...

    def abort(self) -> None:
        """Let go at once; after release it does nothing."""
        ...


class UpstreamPool(Protocol):
    """Connections to one backend. Raises UpstreamError (connect, connect_timeout)."""

    async def acquire(self, *, max_idle: float) -> UpstreamConnection:
        """A connection that was idle for at most `max_idle` seconds, or a new one."""
        ...


@dataclass(slots=True)
class Finished:
    """One request, told when it is over. `outcome`: answered, refused, failed, cut or client_gone."""

    request_id: str
    method: str
    decision: Decision | None
    side: str
    outcome: str
    status: int
    seconds: float
    why: str
    fallback: str | None = None  # the kind of failure that made legacy answer
    trace: str | None = None


class Tap(Protocol):
    """Where exchanges go after a user's last byte; `shadow.tap.TapSender` is one."""

    def offer(self, exchange: Exchange) -> None:
        """Take this exchange, or count why not."""
        ...

    def count(self, route: str, reason: str) -> None:
        """Count an eligible exchange that is not compared."""
        ...


class Teller(Protocol):
    """Who listens to the request path: metrics, the decisions' log, the error log. Never blocks or raises."""

    def finished(self, what: Finished) -> None:
        """A request is over."""
        ...

    def upstream_failed(self, upstream: str, kind: str, detail: str) -> None:
        """A backend failed an attempt."""
        ...

    def retried(self, upstream: str) -> None:
        """A request was sent again on a new connection."""
        ...

    def minted(self) -> None:
        """A sticky key was handed out."""
        ...

    def circuit(self, route: str, state: str) -> None:
        """A route's circuit changed its state."""
        ...

    def broken(self, error: BaseException) -> None:
        """A defect of ours ended a request."""
        ...
