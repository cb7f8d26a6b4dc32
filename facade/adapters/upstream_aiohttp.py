"""One exchange on one connection to a backend, parsed by aiohttp's response parser.

aiohttp's own session is not used: it cannot tell how long a connection has been idle, nor refuse one to an
unsafe request, nor send header bytes that are not UTF-8.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from aiohttp import ClientError
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from facade.adapters.short_turns import read_in_pieces
from facade.core.clean import MAX_HEAD, MAX_HEADERS
from facade.core.framing import NONE, Body, answer_body, check_fields
from facade.core.headers import Fields, Header, Headers, first, values
from facade.core.outgoing import request_head
from facade.errors import UpstreamError
from facade.ports import AnswerHead

_READ = 64 * 1024
_PER_CONNECTION_LOGIN = (b"ntlm", b"negotiate")  # they log in a connection, not a request


class Wire(ResponseHandler):
    """aiohttp's client protocol, with its flow control made public."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.exchanges = 0
        self.idle_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        read_in_pieces(transport)
        super().connection_made(transport)

    async def drain(self) -> None:
        """Wait until the peer takes more."""
        await self._drain_helper()

    def spoke_unasked(self) -> bool:
        """Whether bytes came that no request asked for."""
        return bool(self._buffer or self._tail)


class Home(Protocol):
    """The pool a connection came from."""

    name: str

    def keep(self, wire: Wire) -> None:
        """Take a connection back that can be used again."""
        ...

    def let_go(self, wire: Wire) -> None:
        """Close a connection."""
        ...

    def look(self, wire: Wire) -> None:
        """Notice bytes that nobody asked for."""
        ...

    def learn(self, headers: Headers) -> None:
        """Note what the backend says about keeping connections."""
        ...


class Connection:
    """One exchange on one connection."""

    def __init__(self, pool: Home, wire: Wire) -> None:
        """Take `wire` out of the pool's hands until it is released or aborted."""
        self._pool, self._wire = pool, wire
        self._payload: StreamReader = EMPTY_PAYLOAD
        self._chunked = self._sent = self._reusable = False
        self._method = ""
        self._done = False

    @property
    def reused(self) -> bool:
        """Whether an exchange has been made on it before."""
        return self._wire.exchanges > 0

    def send_head(self, method: str, target: bytes, headers: Sequence[Header], body: Body) -> None:
        """Send the request's head."""
        self._method, self._chunked = method, body.kind == "chunked"
        self._sent = not body.there
        self._reusable = not _logs_in(values(headers, b"authorization"))
        self._wire.set_response_params(
            skip_payload=method == "HEAD",
            read_until_eof=True,
            auto_decompress=False,
            read_bufsize=_READ,
            max_field_size=MAX_HEAD,
            max_headers=MAX_HEADERS,
        )
        self._write(request_head(method, target, headers, body))

    async def send(self, data: bytes) -> None:
        """Send bytes of the body, as fast as the backend takes them."""
        self._write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        try:
            await self._wire.drain()
        except (OSError, ClientError) as error:
            raise self._error("disconnected", error) from None

    def sent_all(self) -> None:
        """The whole request has been sent."""
        if self._chunked:
            self._write(b"0\r\n\r\n")
        self._sent = True

    async def read_head(self) -> AnswerHead:
        """The next head, interim or final."""
        try:
            message, payload = await self._wire.read()
        except HttpProcessingError as error:
            raise self._error("malformed", error) from None
        except (OSError, ClientError) as error:
            raise self._error("disconnected", error) from None
        headers = Fields(message.raw_headers)
        if sum(len(name) + len(value) + 4 for name, value in headers) > MAX_HEAD:
            raise self._error("malformed", ValueError(f"a head of more than {MAX_HEAD} bytes"))
        if message.code < 200 and message.code != 101:
            return AnswerHead(message.code, headers, NONE)
        try:
            body = self._final(message.code, headers, message.version)
        except ValueError as error:
            raise self._error("malformed", error) from None
        self._payload = payload
        return AnswerHead(message.code, headers, body)

    def available(self) -> bytes:
        """Bytes of the body that are here already."""
        if self._payload.exception() is not None:
            return b""
        return self._payload.read_nowait()

    @property
    def ended(self) -> bool:
        """Whether the whole body has been read."""
        return self._payload.at_eof()

    async def read(self) -> bytes:
        """Some bytes of the body, b"" at its end."""
        try:
            return await self._payload.readany()
        except (OSError, ClientError, HttpProcessingError, RuntimeError) as error:
            raise self._error("cut", error) from None

    def release(self) -> None:
        """The exchange is over: keep the connection if nothing speaks against it."""
        if self._done:
            return
        if self.ended and self._reusable and not self._wire.should_close:
            self._done = True
            self._pool.keep(self._wire)
        else:
            self._pool.look(self._wire)
            self.abort()

    def abort(self) -> None:
        """Let go at once."""
        if not self._done:
            self._done = True
            self._pool.let_go(self._wire)

    def _final(self, status: int, headers: Headers, version: tuple[int, int]) -> Body:
        if not 200 <= status <= 599 or version not in ((1, 0), (1, 1)):
            raise ValueError(f"status {status} or version {version} that nobody asked for")
        check_fields(headers)
        body = answer_body(self._method, status, headers)
        declared = first(headers, b"content-length") is not None
        # Whether a length follows on HEAD, 204 and 304 is where servers err; an early answer leaves the rest
        # of our request to be read as the next one.
        self._reusable = (
            self._reusable
            and self._sent
            and body.kind != "eof"
            and not (body.kind == "none" and declared)
            and not _logs_in(values(headers, b"www-authenticate"))
        )
        self._pool.learn(headers)
        return body

    def _write(self, data: bytes) -> None:
        transport = self._wire.transport
        if transport is None or transport.is_closing():
            raise self._error("disconnected", None)
        transport.write(data)

    def _error(self, kind: str, error: BaseException | None) -> UpstreamError:
        return UpstreamError(kind, self._pool.name, str(error) if error is not None else "closed")


def _logs_in(schemes: list[bytes]) -> bool:
    return any(scheme.strip().lower().startswith(_PER_CONNECTION_LOGIN) for scheme in schemes)
