"""The users' side, on aiohttp's kept parser: `aiohttp.web.Server` without its framework.

What aiohttp leaves open is closed here: an absolute time for a head, lingering closes, half-closed clients,
and errors that say what was wrong without a stack trace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from aiohttp import hdrs
from aiohttp.http_exceptions import BadHttpMethod, BadStatusLine, LineTooLong
from aiohttp.web import BaseRequest, RequestHandler, Server, StreamResponse

from facade.core.clean import MAX_HEAD, MAX_HEADERS
from facade.core.framing import Body
from facade.core.headers import Header
from facade.core.incoming import Head
from facade.core.outgoing import answer_head
from facade.core.problem import Problem, render
from facade.core.target import MAX_TARGET
from facade.errors import ClientGone, Refused
from facade.settings import Limits

_READ = 64 * 1024
_LATE_HEAD = Problem(408, "head_timeout", "The request's head did not arrive in time. Send it again.")
_LARGE_HEAD = Problem(431, "head_too_large", f"The request's head is larger than {MAX_HEAD} bytes.")
_FULL = Problem(503, "connections", "There are too many connections. Try again in a moment.", 1)
_SLOW_BODY = Problem(408, "body_timeout", "The body came too slowly. Send it again.")

Handle = Callable[["AiohttpClient"], Awaitable[None]]


class _Answered:
    """What aiohttp is told of an answer that has been sent already: nothing is left to do."""

    def __init__(self, keep_alive: bool) -> None:
        self.keep_alive = keep_alive

    async def prepare(self, _request: BaseRequest) -> None:
        """Nothing."""

    async def write_eof(self) -> None:
        """Nothing."""


class _Refusal(_Answered):
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

    __slots__ = ("_facade", "_half_closed", "_head_bytes", "_head_timer", "_lingered")

    def __init__(self, server: FacadeServer, **settings: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **settings)
        self._facade = server
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._half_closed = False
        self._lingered: asyncio.Future[None] | None = None

    @property
    def must_close(self) -> bool:
        """Whether no further request will be answered here."""
        return self._half_closed or self._facade.draining

    async def drain(self) -> None:
        """Wait until the client takes more; ClientGone when it does not."""
        if not self.writing_paused:
            if self.transport is None:
                raise ClientGone("the client hung up")
            return
        try:
            async with asyncio.timeout(self._facade.limits.stalled_write):
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
        if not self._facade.admits():
            self._turn_away(cast(asyncio.Transport, transport))
            return
        super().connection_made(transport)
        # aiohttp's keep-alive timer starts after a first answer: who never asks would stay for ever.
        self._time_head(self._facade.limits.idle)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_head_timer()
        if self._lingered is not None and not self._lingered.done():
            self._lingered.set_result(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._is_idle():
            super().data_received(data)
            return
        if self._head_bytes == 0:
            self._time_head(self._facade.limits.head)
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
        # A request that was just taken from the queue is not the current one yet.
        asyncio.get_running_loop().call_later(0.05, self._look_for_missing_body)
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
        self._facade.on_refused(problem)
        return cast(StreamResponse, _Refusal(self, problem))

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """The flow tells of its own defects; what is left here are clients' errors."""

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
        loop.call_later(self._facade.limits.linger, transport.abort)

    async def lingered(self) -> None:
        """Wait until the client closed its half too, or the time is up."""
        if self._lingered is not None:
            await asyncio.wait([self._lingered])

    def _is_idle(self) -> bool:
        waiting = self._waiter is not None and not self._waiter.done()
        return waiting and not self._messages and not self._close

    def _body_is_missing(self) -> bool:
        request = self._current_request
        return request is not None and not request.content.is_eof()

    def _look_for_missing_body(self) -> None:
        if self._body_is_missing() and self.transport is not None:
            self.transport.close()

    def _time_head(self, seconds: float) -> None:
        self._stop_head_timer()
        self._head_timer = asyncio.get_running_loop().call_later(seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._is_idle() and self._head_bytes == 0:
            self.force_close()  # nothing was asked, so there is nothing to answer
        elif self._is_idle():
            self._facade.on_refused(_LATE_HEAD)
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
        self._facade.on_refused(_FULL)


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
        return cast(StreamResponse, _Answered(keep))


class AiohttpClient:
    """One request of a client, and the way back to it."""

    def __init__(self, request: BaseRequest, limits: Limits) -> None:
        """Wrap what aiohttp has parsed."""
        self.connection = cast(FacadeConnection, request.protocol)
        self._content = request.content
        self._limits = limits
        self._http11 = request.version >= (1, 1)
        self._wants_close = _wants_close(request)
        peer = self.connection.peername
        self.head = Head(
            request.method,
            request.raw_path.encode("utf-8", "surrogateescape"),
            (request.version.major, request.version.minor),
            request.raw_headers,
            str(peer[0]) if isinstance(peer, tuple) else "",
        )
        self.begun = False
        self.keep_alive = False
        self._chunked = False
        self._waited = 0.0
        self._received = 0

    async def read(self) -> bytes:
        """Some bytes of the body, b"" at its end."""
        loop = asyncio.get_running_loop()
        limits = self._limits
        # On average, and never for long: else a client with a large body behind it might pause for days.
        average = limits.body_grace + self._received / limits.body_rate - self._waited
        patience = min(average, limits.body_silence)
        started = loop.time()
        try:
            async with asyncio.timeout(max(patience, 0.0)):
                data = await self._content.readany()
        except TimeoutError:
            raise Refused(_SLOW_BODY) from None
        except Exception as error:  # noqa: BLE001 - aiohttp's parser sets many kinds on a broken body
            raise ClientGone(f"the body broke off: {error!r:.80}") from None
        self._waited += loop.time() - started
        self._received += len(data)
        return data

    def interim(self, status: int, headers: Sequence[Header]) -> None:
        """Send an interim answer, where the client's version knows them."""
        if self._http11 and not self.begun:
            self._send(answer_head(status, headers, keep_alive=True))

    def begin(self, status: int, headers: Sequence[Header], body: Body, first: bytes) -> None:
        """Send the head and the first bytes of the body."""
        unknown = body.kind in ("chunked", "eof")
        self._chunked = unknown and self._http11
        self.keep_alive = (
            not self._wants_close and not self.connection.must_close and (not unknown or self._chunked)
        )
        head = answer_head(status, headers, keep_alive=self.keep_alive, chunked=self._chunked)
        self.begun = True
        self._send(head + self._framed(first))

    async def write(self, data: bytes) -> None:
        """Send bytes of the body, as fast as the client takes them."""
        self._send(self._framed(data))
        await self.connection.drain()

    async def finish(self, *, close: bool) -> None:
        """Everything was sent."""
        if close:
            self.keep_alive = False
        if self._chunked:
            self._send(b"0\r\n\r\n")
        await self.connection.drain()

    async def refuse(self, problem: Problem, request_id: str) -> None:
        """Answer with a problem of ours."""
        headers, body = render(problem, request_id)
        headers.append((b"Content-Length", b"%d" % len(body)))
        if self.head.method == "HEAD":
            body = b""
        # A body that nobody will read stands between this request and the next one.
        self.keep_alive = not self._wants_close and not self.connection.must_close and self._content.is_eof()
        self.begun = True
        self._send(answer_head(problem.status, headers, keep_alive=self.keep_alive) + body)
        await self.connection.drain()

    def cut(self) -> None:
        """End the connection so that the client sees that its answer is not whole."""
        self.connection.cut()

    def _framed(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked and data else data

    def _send(self, data: bytes) -> None:
        transport = self.connection.transport
        if transport is None or transport.is_closing():
            raise ClientGone("the client hung up")
        transport.write(data)


def _wants_close(request: BaseRequest) -> bool:
    said = [
        part.strip().lower()
        for value in request.headers.getall(hdrs.CONNECTION, ())
        for part in value.split(",")
    ]
    return "close" in said or (request.version < (1, 1) and "keep-alive" not in said)


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
