"""One attempt at one backend: a connection, the request, and the answer as far as its first bytes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from facade.core.forward import Upstream
from facade.core.headers import Header, values
from facade.core.incoming import Incoming, check_grown
from facade.core.retry import RetryBudget
from facade.errors import ClientGone, Refused, UpstreamError
from facade.ports import AnswerHead, ClientSide, Teller, UpstreamConnection, UpstreamPool
from facade.settings import Limits

_MAX_INTERIM = 8
_LAST_WORD = 1.0  # seconds for an answer to arrive from a backend that stopped taking the request's body


@dataclass(slots=True)
class Call:
    """A request as one backend gets it; `max_body` is how many bytes the client may bring."""

    upstream: Upstream
    request: Incoming
    headers: list[Header]
    client: ClientSide
    max_body: int | None = None


@dataclass(slots=True)
class Opened:
    """An answer that may be sent on: its head, and what of its body was held back (`complete`: all of it)."""

    upstream: Upstream
    connection: UpstreamConnection
    head: AnswerHead
    sent: list[Header]
    upload: asyncio.Task[None] | None = None
    held: list[bytes] = field(default_factory=list)
    complete: bool = False

    def abandon(self) -> None:
        """Let go of the answer."""
        if self.upload is not None:
            self.upload.cancel()
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
        budget = self._budgets.setdefault(name, RetryBudget())
        budget.earn()
        idle = self._limits.upstream_idle if repeatable else self._limits.unsafe_idle
        connection = await pool.acquire(max_idle=idle)
        try:
            return await self._exchange(connection, call, hold=hold)
        except UpstreamError as error:
            dead = error.kind == "disconnected" and connection.reused
            if not (dead and repeatable and budget.spend()):
                raise
        self._teller.retried(name)
        return await self._exchange(await pool.acquire(max_idle=-1.0), call, hold=hold)

    async def _exchange(self, connection: UpstreamConnection, call: Call, *, hold: bool) -> Opened:
        upload: asyncio.Task[None] | None = None
        request = call.request
        try:
            connection.send_head(request.method, request.target.raw, call.headers, request.body)
            if request.body.there:
                if request.clean.expect is not None:
                    call.client.interim(100, ())
                upload = asyncio.create_task(self._upload(connection, call))
            deadline = asyncio.get_running_loop().time() + call.upstream.timeout
            head = await self._final_head(connection, call, upload)
            opened = Opened(call.upstream, connection, head, call.headers, upload)
            if hold:
                await self._hold(opened, deadline)
            return opened
        except BaseException:
            if upload is not None:
                upload.cancel()
            connection.abort()
            raise

    async def _upload(self, connection: UpstreamConnection, call: Call) -> None:
        received = 0
        while data := await call.client.read():
            received += len(data)
            check_grown(received, call.max_body)
            try:
                async with asyncio.timeout(self._limits.stalled_write):
                    await connection.send(data)
            except TimeoutError:
                raise UpstreamError("stalled", call.upstream.name) from None
        connection.sent_all()

    async def _final_head(
        self, connection: UpstreamConnection, call: Call, upload: asyncio.Task[None] | None
    ) -> AnswerHead:
        for _ in range(_MAX_INTERIM + 1):
            head = await self._next_head(connection, call.upstream, upload)
            if head.status >= 200:
                return head
            if head.status == 103:
                # 100 is ours to say and 102 means nothing any more; early hints are for the client.
                call.client.interim(head.status, head.headers)
        raise UpstreamError("malformed", call.upstream.name, f"more than {_MAX_INTERIM} interim answers")

    async def _next_head(
        self, connection: UpstreamConnection, upstream: Upstream, upload: asyncio.Task[None] | None
    ) -> AnswerHead:
        if upload is None or upload.done():
            return await _in_time(connection, upstream, upstream.timeout)
        reading = asyncio.create_task(_in_time(connection, upstream, None))
        try:
            await asyncio.wait({reading, upload}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                await self._after_upload(reading, upload, upstream)
            return reading.result()
        finally:
            reading.cancel()

    async def _after_upload(
        self, reading: asyncio.Task[AnswerHead], upload: asyncio.Task[None], upstream: Upstream
    ) -> None:
        """The body is sent, or cannot be: wait for the answer that may come all the same."""
        error = upload.exception()
        if isinstance(error, ClientGone | Refused):
            raise error
        await asyncio.wait({reading}, timeout=upstream.timeout if error is None else _LAST_WORD)
        if not reading.done() or (error is not None and reading.exception() is not None):
            raise error if error is not None else UpstreamError("first_byte_timeout", upstream.name)

    async def _hold(self, opened: Opened, deadline: float) -> None:
        """Keep a small answer back until it is whole: if its service dies now, legacy can still answer."""
        limit = int(self._limits.hold_bytes)
        body = opened.head.body
        if not body.there:
            opened.complete = True
            return
        small = body.kind == "length" and body.length <= limit
        until = (
            deadline if small else min(deadline, asyncio.get_running_loop().time() + self._patience(opened))
        )
        try:
            async with asyncio.timeout_at(until):
                size = 0
                while size < limit:
                    data = await opened.connection.read()
                    if not data:
                        opened.complete = True
                        return
                    opened.held.append(data)
                    size += len(data)
        except TimeoutError:
            if small:
                raise UpstreamError("first_byte_timeout", opened.upstream.name) from None

    def _patience(self, opened: Opened) -> float:
        return 0.0 if is_event_stream(opened.head) else self._limits.hold_wait


def is_event_stream(head: AnswerHead) -> bool:
    """Whether the answer may rightly say nothing for a long time."""
    kind = values(head.headers, b"content-type")
    return bool(kind) and kind[0].lower().startswith(b"text/event-stream")


async def _in_time(connection: UpstreamConnection, upstream: Upstream, timeout: float | None) -> AnswerHead:
    try:
        async with asyncio.timeout(timeout):
            return await connection.read_head()
    except TimeoutError:
        raise UpstreamError("first_byte_timeout", upstream.name, f"{timeout} s") from None
