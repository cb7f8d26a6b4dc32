"""One attempt at one backend: a connection, the request, and the answer as far as its first bytes."""

from __future__ import annotations

from dataclasses import dataclass, field

from facade.core.headers import first, without
from facade.core.http1.fields import Kind
from facade.core.http1.limits import MAX_INTERIM
from facade.core.incoming import Incoming
from facade.core.login import is_login
from facade.core.retry import RetryBudget
from facade.core.returned import passed_on
from facade.core.upstream import Upstream
from facade.core.websocket import is_accepted
from facade.errors import UpstreamError
from facade.ports import AnswerHead, ClientSide, Teller, UpstreamConnection, UpstreamPool
from facade.settings import Limits
from migration.core.plan import Side

_AUTHORIZATION = int(Kind.AUTHORIZATION)
_TICK = 1.0  # seconds between two looks at a body on its way
_FOREVER = float("inf")


@dataclass(slots=True)
class Call:
    """A request as one backend gets it; `max_body` is how many bytes the client may bring."""

    upstream: Upstream
    request: Incoming
    head: bytes
    client: ClientSide
    max_body: int | None = None
    tunnel: bool = False


@dataclass(slots=True)
class Opened:
    """An answer that may be sent on: its head, and what of its body was held back."""

    upstream: Upstream
    connection: UpstreamConnection
    head: AnswerHead
    sent: bytes
    held: list[bytes] = field(default_factory=list)

    def abandon(self, client: ClientSide) -> None:
        """Let go of the answer."""
        client.stop_upload()
        self.connection.abort()


class Attempts:
    """Makes attempts, each with at most one automatic retry where a reused connection turned out dead."""

    def __init__(self, limits: Limits, teller: Teller) -> None:
        """The teller hears of retries."""
        self._limits, self._teller = limits, teller
        self._budgets: dict[str, RetryBudget] = {}

    async def open(self, pool: UpstreamPool, call: Call, *, hold: bool) -> Opened:
        """Send the request; `hold` the answer's first bytes back while somebody else could still answer."""
        name, repeatable = call.upstream.name, call.request.repeatable
        budget = self._budgets.get(name) or self._budgets.setdefault(name, RetryBudget())
        budget.earn()
        idle = self._limits.upstream_idle if repeatable else self._limits.unsafe_idle
        connection = pool.take(call.client.wake, max_idle=idle) or await self._connect(pool, call.client)
        try:
            opened = await self._exchange(connection, call)
        except UpstreamError as error:
            dead = error.kind == "disconnected" and connection.reused
            if not (dead and repeatable and budget.spend()):
                raise
            self._teller.retried(name)
            opened = await self._exchange(await self._connect(pool, call.client), call)
        if hold and not opened.connection.ended:
            await self._hold(opened, call)
        return opened

    async def _connect(self, pool: UpstreamPool, client: ClientSide) -> UpstreamConnection:
        opening = pool.open(client.wake)
        try:
            while (connection := opening.result()) is None:
                await client.event(_FOREVER)  # the pool keeps the time
        except BaseException:
            opening.give_up()
            raise
        return connection

    async def _exchange(self, connection: UpstreamConnection, call: Call) -> Opened:
        """Send the request and wait for the final head, which may come before the body is sent."""
        client, body, timeout = call.client, call.request.body, call.upstream.timeout
        interim = 0
        try:
            login = is_login(call.request.noted.get(_AUTHORIZATION))
            connection.send_head(call.request.method, call.head, body, logs_in=login)
            if body.there:
                self._begin_body(connection, call)
            until = client.now() + timeout
            head: AnswerHead | None = None  # nothing can be here yet
            while True:
                if head is None:
                    if body.there and client.uploading:
                        until = client.now() + timeout  # counted from the body's end
                        await client.event(client.now() + _TICK)
                    elif client.now() >= until:
                        raise UpstreamError("first_byte_timeout", call.upstream.name, f"{timeout} s")
                    else:
                        await client.event(until)
                elif head.status >= 200 or (head.status == 101 and _may_switch(call, head)):
                    return Opened(call.upstream, connection, head, call.head)
                else:
                    interim += 1
                    self._interim(call, head, interim)
                head = connection.take_head()
        except BaseException:
            client.stop_upload()
            connection.abort()
            raise

    def _begin_body(self, connection: UpstreamConnection, call: Call) -> None:
        if call.request.expects:
            call.client.interim(100, ())  # whoever is to take the body is there
        call.client.upload(connection, call.max_body)

    def _interim(self, call: Call, head: AnswerHead, number: int) -> None:
        if head.status == 101:
            raise UpstreamError(
                "malformed", call.upstream.name, "it switches protocols, which nobody asked for"
            )
        if number > MAX_INTERIM:
            raise UpstreamError("malformed", call.upstream.name, f"more than {MAX_INTERIM} interim answers")
        if head.status == 103:
            # 100 is ours to say and 102 means nothing any more; early hints are for the client.
            hints = passed_on(head)
            if call.upstream.side is not Side.LEGACY:
                hints = without(hints, b"set-cookie")  # in early hints nobody looks whose cookie that is
            call.client.interim(head.status, hints)

    async def _hold(self, opened: Opened, call: Call) -> None:
        """Keep a small answer back until it is whole: if its service dies now, legacy can still answer."""
        client, connection, body = call.client, opened.connection, opened.head.body
        limit = int(self._limits.hold_bytes)
        small = body.kind == "length" and body.length <= limit
        wait = 0.0 if is_event_stream(opened.head) else self._limits.hold_wait
        until = client.now() + (call.upstream.timeout if small else min(call.upstream.timeout, wait))
        size = 0
        try:
            while not connection.ended and size < limit:
                data = connection.take_body()
                if data:
                    opened.held.append(data)
                    size += len(data)
                elif not connection.ended:
                    if client.now() >= until:
                        break
                    await client.event(until)
            if small and not connection.ended:
                raise UpstreamError(
                    "first_byte_timeout", call.upstream.name, "the body did not follow the head"
                )
        except BaseException:
            opened.abandon(client)
            raise


def is_event_stream(head: AnswerHead) -> bool:
    """Whether the answer may rightly say nothing for a long time."""
    kind = first(head.fields.kept, b"content-type")
    return kind is not None and kind.lower().startswith(b"text/event-stream")


def _may_switch(call: Call, head: AnswerHead) -> bool:
    return call.tunnel and is_accepted(call.request.noted, head.fields.noted)
