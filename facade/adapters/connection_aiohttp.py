"""One client connection on aiohttp's kept parser: `aiohttp.web.Server` without its framework.

What aiohttp leaves open is closed here: an absolute time for a head, lingering closes, half-closed clients,
and errors that say what was wrong without a stack trace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, cast

from aiohttp.http_exceptions import BadHttpMethod, BadStatusLine, LineTooLong
from aiohttp.streams import StreamReader
from aiohttp.web import BaseRequest, RequestHandler, Server, StreamResponse
from aiohttp.web_protocol import _ErrInfo

from facade.adapters.short_turns import read_in_pieces
from facade.core.clean import MAX_HEAD, MAX_HEADERS
from facade.core.outgoing import answer_head
from facade.core.problem import Problem, render
from facade.core.target import MAX_TARGET
from facade.errors import ClientGone, Refused
from facade.settings import Limits

_LATE_HEAD = Problem(408, "head_timeout", "The request's head did not arrive in time. Send it again.")
_LARGE_HEAD = Problem(431, "head_too_large", f"The request's head is larger than {MAX_HEAD} bytes.")
_FULL = Problem(503, "connections", "There are too many connections. Try again in a moment.", 1)


class House(Protocol):
    """What all connections of a listener share."""

    limits: Limits
    draining: bool
    on_refused: Callable[[Problem], None]

    def admits(self) -> bool:
        """Whether there is room for one more connection."""
        ...


class Answered:
    """What aiohttp is told of an answer that has been sent already: nothing is left to do."""

    def __init__(self, keep_alive: bool) -> None:
        self.keep_alive = keep_alive

    async def prepare(self, _request: BaseRequest) -> None:
        """Nothing."""

    async def write_eof(self) -> None:
        """Nothing."""


class _Refusal(Answered):
    """Answers what the parser refused."""

    def __init__(self, connection: FacadeConnection, problem: Problem) -> None:
        super().__init__(keep_alive=False)
        self._connection, self._problem = connection, problem

    async def write_eof(self) -> None:
        """Send the problem, and let the client read it before the connection closes."""
        self._connection.refuse_and_linger(self._problem)
        await self._connection.lingered()


class FacadeConnection(RequestHandler):
    """One client connection."""

    __slots__ = ("_half_closed", "_head_bytes", "_head_timer", "_house", "_lingered")

    def __init__(self, server: Server, house: House, **settings: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **settings)
        self._house = house
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._half_closed = False
        self._lingered: asyncio.Future[None] | None = None

    @property
    def must_close(self) -> bool:
        """Whether no further request will be answered here."""
        return self._half_closed or self._house.draining

    async def drain(self) -> None:
        """Wait until the client takes more; ClientGone when it does not."""
        if not self.writing_paused:
            if self.transport is None:
                raise ClientGone("the client hung up")
            return
        try:
            async with asyncio.timeout(self._house.limits.stalled_write):
                await self._drain_helper()
        except TimeoutError:
            self.cut()
            raise ClientGone("the client takes nothing") from None
        except ConnectionError:
            raise ClientGone("the client hung up") from None

    def cut(self) -> None:
        """Reset the connection: what was sent is visibly not whole."""
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._house.admits():
            self._turn_away(cast(asyncio.Transport, transport))
            return
        super().connection_made(transport)
        read_in_pieces(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_head_timer()
        if self._lingered is not None and not self._lingered.done():
            self._lingered.set_result(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._is_idle():
            super().data_received(data)
            self._forget_repeated_errors()
            if self._current_request is not None:
                self.tell_of_a_break(self._current_request.content)
            return
        if self._head_bytes == 0:
            self._time_head(self._house.limits.head)
        self._head_bytes += len(data)
        super().data_received(data)
        if self._messages:
            self._stop_head_timer()
        elif self._head_bytes > MAX_HEAD + MAX_TARGET:
            self.refuse_and_linger(_LARGE_HEAD)

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """A client that closed its half after a whole request still wants its answer."""
        if self._is_idle() or self._close or self._body_is_missing():
            return False
        self._half_closed = True
        # A request just taken from the queue is not the current one yet, and one just answered has left the
        # connection waiting for a next one that cannot come.
        asyncio.get_running_loop().call_later(0.05, self._look_after_half_close)
        return True

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """What aiohttp's parser refused, in our words; its own would echo the client's bytes."""
        problem = _parser_problem(exc)
        self._house.on_refused(problem)
        return cast(StreamResponse, _Refusal(self, problem))

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """The flow tells of its own defects; what is left here are clients' errors."""

    def tell_of_a_break(self, body: StreamReader) -> None:
        """End `body` if the parser broke off in it: aiohttp only queues the error behind its request."""
        broken = self._messages[0][0] if self._messages else None
        if isinstance(broken, _ErrInfo) and not body.is_eof() and body.exception() is None:
            body.set_exception(Refused(_parser_problem(broken.exc)))

    def refuse_and_linger(self, problem: Problem) -> None:
        """Send a problem, close our half, and read on for a while without looking."""
        self._stop_head_timer()
        transport = self.transport
        if transport is None:
            return
        headers, body = render(problem)
        length = (b"Content-Length", b"%d" % len(body))
        transport.write(answer_head(problem.status, [*headers, length], keep_alive=False) + body)
        self._close = True  # data_received drops what still comes
        if transport.can_write_eof():
            transport.write_eof()
        loop = asyncio.get_running_loop()
        self._lingered = loop.create_future()
        loop.call_later(self._house.limits.linger, transport.abort)

    async def lingered(self) -> None:
        """Wait until the client closed its half too, or the time is up."""
        if self._lingered is not None:
            await asyncio.wait([self._lingered])

    def _is_idle(self) -> bool:
        waiting = self._waiter is not None and not self._waiter.done()
        return waiting and not self._messages and not self._close

    def _forget_repeated_errors(self) -> None:
        """After an error the parser fails anew on every packet, and each time repeats what it was given."""
        queue = self._messages
        while len(queue) > 1 and isinstance(queue[-1][0], _ErrInfo) and isinstance(queue[-2][0], _ErrInfo):
            queue.pop()

    def _body_is_missing(self) -> bool:
        request = self._current_request
        return request is not None and not request.content.is_eof()

    def _look_after_half_close(self) -> None:
        if self.transport is not None and (self._is_idle() or self._body_is_missing()):
            self.transport.close()

    def _time_head(self, seconds: float) -> None:
        self._stop_head_timer()
        self._head_timer = asyncio.get_running_loop().call_later(seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._is_idle():
            self._house.on_refused(_LATE_HEAD)
            self.refuse_and_linger(_LATE_HEAD)

    def _stop_head_timer(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _turn_away(self, transport: asyncio.Transport) -> None:
        headers, body = render(_FULL)
        length = (b"Content-Length", b"%d" % len(body))
        transport.write(answer_head(_FULL.status, [*headers, length], keep_alive=False) + body)
        transport.close()
        self._manager, self._force_close = None, True
        self._house.on_refused(_FULL)


def _parser_problem(error: BaseException | None) -> Problem:
    if isinstance(error, LineTooLong):
        if error.args[1] == MAX_TARGET:
            return Problem(414, "target_too_long", f"The request target is longer than {MAX_TARGET} bytes.")
        return _LARGE_HEAD
    if isinstance(error, BadHttpMethod):
        return Problem(501, "method", "This method is not known here.")
    if isinstance(error, BadStatusLine):
        return Problem(400, "request_line", "The request line is malformed.")
    if error is not None and "Too many headers" in str(error):
        return Problem(431, "too_many_headers", f"The request has more than {MAX_HEADERS} header fields.")
    return Problem(400, "malformed", "The request is not valid HTTP.")
