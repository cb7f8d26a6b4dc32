"""Asks the monolith whose session cookie this is, over the connections that its requests use too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from facade.core.host import own_name
from facade.core.http1.framing import NONE
from facade.core.http1.writing import request_head
from facade.core.identity import MAX_ANSWER, SECRET_HEADER, MalformedSession, Session, read_answer
from facade.errors import UpstreamError
from facade.ports import UpstreamConnection, UpstreamPool
from migration.core.plan import IdentitySettings

# Of a monolith's eight threads (or eighty) most are to serve its users, also when nobody is known yet.
_AT_ONCE = 16
_IDLE = 0.25  # seconds: an older connection may be on its way to be closed by the other end


class Introspection:
    """One path of the monolith; at most `_AT_ONCE` questions are on their way to it."""

    def __init__(
        self, pool: Callable[[], UpstreamPool], url: str, settings: IdentitySettings, secret: str
    ) -> None:
        """`secret` shows the monolith that it is us who ask."""
        self._pool, self._timeout = pool, settings.timeout
        self._target = (settings.introspect or "/").encode()
        self._cookie = settings.cookie.encode() + b"="
        self._always = [
            (b"Host", own_name(url)), (b"Accept", b"application/json"), (SECRET_HEADER, secret.encode()),
        ]  # fmt: skip
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def ask(self, cookie: bytes) -> Session:
        """The session of this cookie; UpstreamError (introspection, introspection_answer) without one."""
        headers = [*self._always, (b"Cookie", self._cookie + cookie)]
        head = request_head("GET", self._target, headers, (), NONE)
        try:
            async with asyncio.timeout(self._timeout), self._room:
                return read_answer(*await self._exchange(head))
        except TimeoutError:
            failed = UpstreamError("introspection", "legacy", f"no answer within {self._timeout:g} s")
        except UpstreamError as error:
            failed = UpstreamError("introspection", "legacy", str(error))
        except MalformedSession as malformed:
            failed = UpstreamError("introspection_answer", "legacy", str(malformed))
        raise failed

    async def _exchange(self, head: bytes) -> tuple[int, bytes]:
        """Status and body; asked once more on a new connection where an idle one turned out dead."""
        event, pool = asyncio.Event(), self._pool()
        connection = pool.take(event.set, max_idle=_IDLE)
        if connection is not None:
            try:
                return await _asked(connection, event, head)
            except UpstreamError as error:
                if error.kind != "disconnected":
                    raise
        return await _asked(await _opened(pool, event), event, head)


async def _opened(pool: UpstreamPool, event: asyncio.Event) -> UpstreamConnection:
    opening = pool.open(event.set)
    try:
        while (connection := opening.result()) is None:
            await _happened(event)
    except BaseException:
        opening.give_up()
        raise
    return connection


async def _asked(connection: UpstreamConnection, event: asyncio.Event, head: bytes) -> tuple[int, bytes]:
    try:
        connection.send_head("GET", head, NONE, logs_in=False)
        while (answer := connection.take_head()) is None or answer.status < 200:
            if answer is None:
                await _happened(event)
        body = connection.take_body()
        while not connection.ended and len(body) <= MAX_ANSWER:
            await _happened(event)
            body += connection.take_body()
        if len(body) > MAX_ANSWER:
            raise MalformedSession(f"its answer is larger than {MAX_ANSWER} bytes")
        connection.release()
    except BaseException:
        connection.abort()
        raise
    return answer.status, body


async def _happened(event: asyncio.Event) -> None:
    """Wait for the next thing that happens; nothing happens between a look and this call."""
    event.clear()
    await event.wait()
