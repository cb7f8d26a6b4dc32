"""Through what the request path reaches the outside: a client, its upstreams, and those who listen.

Nothing here waits by itself. A request is one coroutine; where it must wait it looks at what it waits for and
then awaits `ClientSide.event`, which returns whenever anything happened to either of its two connections.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from facade.core.decide import Decision
from facade.core.headers import Header
from facade.core.http1.framing import Body
from facade.core.http1.head import AnswerHead, RequestHead
from facade.core.problem import Problem
from facade.core.writes import Write

__all__ = ["AnswerHead", "ClientSide", "Finished", "Tap", "Teller", "UpstreamConnection", "UpstreamPool"]


class UpstreamConnection(Protocol):
    """One connection to a backend, for one exchange. Raises UpstreamError."""

    @property
    def reused(self) -> bool:
        """Whether an exchange has been made on it before."""
        ...

    def send_head(self, method: str, head: bytes, body: Body, *, logs_in: bool) -> None:
        """Send the request's head; `body` says how what follows is framed.

        `logs_in`: it logs in the connection itself, which nobody else may use afterwards.
        """
        ...

    def send(self, data: bytes) -> None:
        """Send bytes of the body; see `takes_more`."""
        ...

    def sent_all(self) -> None:
        """The whole request has been sent."""
        ...

    @property
    def takes_more(self) -> bool:
        """Whether the backend keeps up with what it is sent."""
        ...

    def take_head(self) -> AnswerHead | None:
        """The next head, interim or final; None while it is not here."""
        ...

    def take_body(self) -> bytes:
        """Bytes of the body that are here, b"" where there are none."""
        ...

    @property
    def has_more(self) -> bool:
        """Whether bytes that are here have not been looked at yet."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the whole body has been taken."""
        ...

    def release(self) -> None:
        """The exchange is over: keep the connection if nothing speaks against it."""
        ...

    def abort(self) -> None:
        """Let go at once; after release it does nothing."""
        ...


class ClientSide(Protocol):
    """One request of a client, and the way back to it. Raises ClientGone where nobody listens any more."""

    head: RequestHead
    """The request's head."""
    peer: str
    """The address of the socket's other end."""
    begun: bool
    """Whether bytes of a final answer have been sent."""
    half_closed: bool
    """Whether it sends no more."""

    def now(self) -> float:
        """The loop's time in seconds."""
        ...

    def event(self, until: float) -> Awaitable[None]:
        """Wait until something happened, or until the loop's time is `until` (give or take 50 ms)."""
        ...

    def turn(self) -> Awaitable[None]:
        """Let the other connections have their turn."""
        ...

    def wake(self) -> None:
        """Something happened to what this request waits for."""
        ...

    def upload(self, connection: UpstreamConnection, limit: int | None) -> None:
        """Send the body on as it comes, at most `limit` bytes of it."""
        ...

    @property
    def uploading(self) -> bool:
        """Whether the body is on its way; raises what went wrong: Refused, UpstreamError (stalled)."""
        ...

    def stop_upload(self) -> None:
        """Nobody wants the rest of the body."""
        ...

    def interim(self, status: int, headers: Sequence[Header]) -> None:
        """Send an interim answer, where the client's version knows them."""
        ...

    def begin(self, status: int, headers: Sequence[Header], body: Body, first: bytes, *, last: bool) -> None:
        """Send the head and the first bytes of the body; `last`: there are no more."""
        ...

    def write(self, data: bytes) -> None:
        """Send bytes of the body; see `takes_more`."""
        ...

    @property
    def takes_more(self) -> bool:
        """Whether the client keeps up with what it is sent."""
        ...

    @property
    def unsent(self) -> int:
        """How many bytes it was sent that it has not taken."""
        ...

    def finish(self) -> None:
        """Everything was sent."""
        ...

    def refuse(self, problem: Problem, request_id: str) -> None:
        """Answer with a problem of ours."""
        ...

    def cut(self) -> None:
        """End the connection so that the client sees that its answer is not whole."""
        ...

    def tunnel(self, headers: Sequence[Header], connection: UpstreamConnection) -> None:
        """Switch protocols: from here on bytes go to and fro unseen."""
        ...

    def tunnelled(self) -> float | None:
        """When the last byte passed the tunnel, in the loop's time; None when one of its ends is closed."""
        ...


class UpstreamPool(Protocol):
    """Connections to one backend. Raises UpstreamError (connect, connect_timeout)."""

    def take(self, wake: Callable[[], None], *, max_idle: float) -> UpstreamConnection | None:
        """A connection that was idle for at most `max_idle` seconds, if there is one."""
        ...

    def open(self, wake: Callable[[], None]) -> Opening:
        """Begin to open a new one."""
        ...


class Opening(Protocol):
    """A connection on its way."""

    def result(self) -> UpstreamConnection | None:
        """The connection once it is there; UpstreamError when it will not come."""
        ...

    def give_up(self) -> None:
        """Nobody waits for it any more."""
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
    write: Write | None = None  # where it writes data that is kept in step


class Tap(Protocol):
    """Where exchanges go after a user's last byte; `shadow.tap.TapSender` is one, and names the fields."""

    pressed: bool  # set while there is no strength to spare: exchanges are only counted then

    @property
    def refusal(self) -> str | None:
        """Why an exchange would only be counted now, so that no copy is made of it."""
        ...

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

    def introspected(self, outcome: str) -> None:
        """The monolith was asked whose cookie this is: customer, guest, nobody, failed or overloaded."""
        ...

    def kept_session(self, upstream: str) -> None:
        """A service tried to write the monolith's session cookie."""
        ...

    def circuit(self, route: str, state: str) -> None:
        """A route's circuit changed its state."""
        ...

    def broken(self, error: BaseException) -> None:
        """A defect of ours ended a request."""
        ...
