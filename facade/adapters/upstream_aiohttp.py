"""Connections to one backend, kept alive by our rules, parsed by aiohttp's response parser.

aiohttp's own session is not used: it cannot tell how long a connection has been idle, nor refuse one to an
unsafe request, nor send header bytes that are not UTF-8.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from urllib.parse import urlsplit

from aiohttp import ClientError
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from facade.core.clean import MAX_HEAD, MAX_HEADERS
from facade.core.framing import NONE, Body, answer_body
from facade.core.headers import Header, Headers, elements, first, values
from facade.core.outgoing import request_head
from facade.errors import UpstreamError
from facade.ports import AnswerHead

_READ = 64 * 1024
_PER_CONNECTION_LOGIN = (b"ntlm", b"negotiate")  # they log in a connection, not a request
_MAX_KEEP = 15.0  # however long a backend promises to keep a connection


class _Wire(ResponseHandler):
    """aiohttp's client protocol, with its flow control made public."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.exchanges = 0
        self.idle_since: float | None = None

    async def drain(self) -> None:
        """Wait until the peer takes more."""
        await self._drain_helper()

    def spoke_unasked(self) -> bool:
        """Whether bytes came that no request asked for."""
        return bool(self._buffer or self._tail)


class Connection:
    """One exchange on one connection."""

    def __init__(self, pool: Pool, wire: _Wire) -> None:
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
        headers = message.raw_headers
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
        whole = self._payload.at_eof() or self._payload is EMPTY_PAYLOAD
        if whole and self._reusable and not self._wire.should_close:
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


class Pool:
    """The connections to one backend."""

    def __init__(self, name: str, url: str, *, connect_timeout: float, max_idle: float) -> None:
        """`max_idle` is below the time after which the backend closes an idle connection, in seconds."""
        parts = urlsplit(url)
        self.name, self.url = name, url
        self._host = parts.hostname or "127.0.0.1"
        self._ssl = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._ssl else 80)
        self._connect_timeout, self._max_idle = connect_timeout, max_idle
        self._loop = asyncio.get_running_loop()
        self._idle: deque[_Wire] = deque()
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False
        self.poisoned = False
        self.opened = 0
        self.busy = 0

    @property
    def idle(self) -> int:
        """How many connections wait for a request."""
        return len(self._idle)

    async def acquire(self, *, max_idle: float) -> Connection:
        """A connection that was idle for at most `max_idle` seconds, or a new one."""
        wire = self._take(min(max_idle, self._max_idle))
        if wire is None:  # not `or`: a wire with nothing to read is false
            wire = await self._open()
        self.busy += 1
        return Connection(self, wire)

    def keep(self, wire: _Wire) -> None:
        """Take a connection back after a cleanly framed answer, one turn of the loop later."""
        self.busy -= 1
        wire.exchanges += 1
        self._loop.call_soon(self._settle, wire)

    def let_go(self, wire: _Wire) -> None:
        """Close a connection that is of no more use."""
        self.busy -= 1
        wire.abort()

    def look(self, wire: _Wire) -> None:
        """Notice a backend that sends what nobody asked for: its connections are not reused any more."""
        if wire.spoke_unasked():
            self.poisoned = True

    def learn(self, headers: Headers) -> None:
        """Honour a `Keep-Alive: timeout=n`: half of it leaves room for what is under way."""
        said = first(headers, b"keep-alive")
        if said is None:
            return
        for element in elements([said]):
            name, _, value = element.partition(b"=")
            if name.strip() == b"timeout" and value.strip().isdigit() and len(value) < 6:
                self._max_idle = min(max(int(value) / 2, 0.1), _MAX_KEEP)

    def close(self) -> None:
        """Close what is idle; what is busy is closed when it comes back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _take(self, max_idle: float) -> _Wire | None:
        now = self._loop.time()
        while self._idle:
            wire = self._idle.pop()
            since, wire.idle_since = wire.idle_since or 0.0, None
            self.look(wire)
            if wire.should_close or not wire.is_connected() or self.poisoned:
                wire.close()
            elif now - since > max_idle:
                # The newest is too old, so all are; the sweep closes them, safe requests may still use them.
                wire.idle_since = since
                self._idle.append(wire)
                return None
            else:
                return wire
        return None

    async def _open(self) -> _Wire:
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, wire = await self._loop.create_connection(
                    lambda: _Wire(self._loop), self._host, self._port, ssl=self._ssl
                )
        except TimeoutError:
            raise UpstreamError("connect_timeout", self.name, self.url) from None
        except OSError as error:
            raise UpstreamError("connect", self.name, f"{self.url}: {error.strerror or error}") from None
        self.opened += 1
        return wire

    def _settle(self, wire: _Wire) -> None:
        self.look(wire)
        if self._closed or self.poisoned or wire.should_close or not wire.is_connected():
            wire.close()
            return
        wire.idle_since = self._loop.time()
        self._idle.append(wire)
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(self._max_idle / 4, self._sweep)

    def _sweep(self) -> None:
        now = self._loop.time()
        while self._idle and now - (self._idle[0].idle_since or 0.0) > self._max_idle:
            self._idle.popleft().close()
        later = self._loop.call_later(self._max_idle / 4, self._sweep) if self._idle else None
        self._sweeping = later


class Pools:
    """One pool per backend, kept through reloads of the plan while its URL stays the same."""

    def __init__(self, *, connect_timeout: float, max_idle: float) -> None:
        """The same limits for every backend."""
        self._connect_timeout, self._max_idle = connect_timeout, max_idle
        self.pools: dict[tuple[str, str], Pool] = {}

    def get(self, name: str, url: str) -> Pool:
        """The pool of a backend."""
        pool = self.pools.get((name, url))
        if pool is None:
            pool = Pool(name, url, connect_timeout=self._connect_timeout, max_idle=self._max_idle)
            self.pools[name, url] = pool
        return pool

    def keep_only(self, wanted: set[tuple[str, str]]) -> None:
        """Close the pools of backends that left the plan."""
        for gone in set(self.pools) - wanted:
            self.pools.pop(gone).close()

    def close(self) -> None:
        """Close all."""
        self.keep_only(set())


def _logs_in(schemes: list[bytes]) -> bool:
    return any(scheme.strip().lower().startswith(_PER_CONNECTION_LOGIN) for scheme in schemes)
