"""One request of a client on aiohttp's kept parser, and the way back to it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

from aiohttp import hdrs
from aiohttp.web import BaseRequest

from facade.adapters.connection_aiohttp import FacadeConnection
from facade.core.framing import Body
from facade.core.headers import Header
from facade.core.incoming import Head
from facade.core.outgoing import answer_head
from facade.core.problem import Problem, render
from facade.errors import ClientGone, Refused
from facade.settings import Limits

_SLOW_BODY = Problem(408, "body_timeout", "The body came too slowly. Send it again.")


class AiohttpClient:
    """One request of a client, and the way back to it."""

    def __init__(self, request: BaseRequest, limits: Limits) -> None:
        """Wrap what aiohttp has parsed."""
        self.connection = cast(FacadeConnection, request.protocol)
        self._content = request.content
        self.connection.tell_of_a_break(request.content)
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
        except Refused:
            raise
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
        if isinstance(self._content.exception(), Refused):
            self.begun = True
            self.connection.refuse_and_linger(problem)  # what follows a broken body cannot be parsed
            await self.connection.lingered()
            return
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
