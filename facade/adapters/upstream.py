"""One connection to a backend as an asyncio protocol; what it says is read by `facade.core.http1.answers`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from facade.adapters.tcp import end_with_reset, show_progress
from facade.core.headers import elements
from facade.core.http1.answers import AnswerReader, BrokenOff
from facade.core.http1.fields import Kind
from facade.core.http1.framing import Body, MalformedAnswer
from facade.core.http1.head import AnswerHead
from facade.core.http1.writing import LAST_CHUNK, chunk
from facade.core.login import is_login
from facade.errors import UpstreamError

# Unread bytes of an answer before the backend is made to wait; one more read may bring as many again.
_HIGH = 256 * 1024
_CONNECTION, _LENGTH, _CHALLENGE, _KEEP_ALIVE = (
    int(kind) for kind in (Kind.CONNECTION, Kind.LENGTH_KEPT, Kind.CHALLENGE, Kind.KEEP_ALIVE)
)


class Home(Protocol):
    """The pool a connection came from."""

    name: str

    def keep(self, connection: BackendConnection) -> None:
        """Take a connection back that can be used again."""
        ...

    def let_go(self, connection: BackendConnection) -> None:
        """A busy connection has been closed."""
        ...

    def lost(self, connection: BackendConnection) -> None:
        """An idle connection was closed by the backend."""
        ...

    def spoke_unasked(self) -> None:
        """The backend sent bytes that no request asked for."""
        ...

    def learn(self, said: list[bytes]) -> None:
        """Note what the backend says in Keep-Alive."""
        ...


class BackendConnection:
    """One connection; busy while `_wake` is set, which is called whenever something happened to it."""

    __slots__ = (
        "_chunked", "_error", "_heard", "_home", "_login", "_method", "_paused", "_reader", "_resume",
        "_reusable", "_sent", "_transport", "_wake", "exchanges", "idle_since", "takes_more", "tunnelled_to",
    )  # fmt: skip

    def __init__(self, home: Home) -> None:
        self._home = home
        self._transport: asyncio.Transport | None = None
        self._wake: Callable[[], None] | None = None
        self._resume: Callable[[], None] | None = None
        self._reader = AnswerReader()
        self._error: str | None = None
        self._method = ""
        self._chunked = self._paused = self._sent = self._reusable = self._login = self._heard = False
        self.takes_more = True
        self.exchanges = 0
        self.idle_since = 0.0
        self.tunnelled_to: Callable[[bytes], None] | None = None

    # -- the exchange, as the flow sees it

    @property
    def reused(self) -> bool:
        """Whether an exchange has been made on it before."""
        return self.exchanges > 0

    @property
    def backend(self) -> str:
        """The backend's name."""
        return self._home.name

    @property
    def usable(self) -> bool:
        """Whether nothing has happened to it that forbids another exchange."""
        return self._error is None and self._transport is not None

    def begin(self, wake: Callable[[], None]) -> None:
        """Be busy for whoever hears `wake`."""
        self._wake = wake

    @property
    def unsent(self) -> int:
        """How many bytes it was sent that it has not taken."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def show_progress(self) -> None:
        """Have `unsent` tell soon what the backend takes."""
        held = self._transport.get_extra_info("socket") if self._transport is not None else None
        if held is not None:
            show_progress(held)

    def on_room(self, resume: Callable[[], None]) -> None:
        """Call `resume` whenever the backend takes more again."""
        self._resume = resume

    def send_head(self, method: str, head: bytes, body: Body, *, logs_in: bool) -> None:
        """Send the request's head; `logs_in`: nobody else may use the connection afterwards."""
        self._method, self._chunked, self._login = method, body.kind == "chunked", logs_in
        self._sent = not body.there
        self._reusable = self._heard = False
        self._write(head)

    def send(self, data: bytes) -> None:
        """Send bytes of the body."""
        self._write(chunk(data) if self._chunked else data)

    def sent_all(self) -> None:
        """The whole request has been sent."""
        if self._chunked:
            self._write(LAST_CHUNK)
        self._sent = True

    def take_head(self) -> AnswerHead | None:
        """The next head, interim or final; None while it is not here."""
        try:
            head = self._reader.next_head(self._method)
        except MalformedAnswer as error:
            raise self._failure("malformed", str(error)) from None
        except BrokenOff as gone:
            raise self._failure("cut" if self._heard else "disconnected", self._error or str(gone)) from None
        if head is None:
            if self._error is not None:
                raise self._failure("cut" if self._heard else "disconnected", self._error)
        elif head.status >= 200:
            self._judge(head)
        return head

    def take_body(self) -> bytes:
        """Bytes of the body that are here."""
        try:
            data = self._reader.read_body()
        except (MalformedAnswer, BrokenOff) as error:
            raise self._failure("cut", str(error)) from None
        if not data and self._error is not None and not self._reader.ended:
            raise self._failure("cut", self._error)
        if self._paused and self._reader.buffered < _HIGH and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    @property
    def has_more(self) -> bool:
        """Whether bytes that are here have not been looked at yet."""
        return self._reader.buffered > 0

    @property
    def ended(self) -> bool:
        """Whether the whole body has been taken."""
        return self._reader.ended

    def release(self) -> None:
        """The exchange is over: keep the connection if nothing speaks against it."""
        if self._wake is None:
            return
        if self._reader.ended and self._reader.buffered:
            self._home.spoke_unasked()
            self._reusable = False
        if not (self._reusable and self._reader.ended and self.usable):
            self.abort()
            return
        self._wake = self._resume = None
        self.exchanges += 1
        self._home.keep(self)

    def abort(self) -> None:
        """Let go at once."""
        if self._wake is None:
            return
        self._wake = self._resume = None
        self._home.let_go(self)
        self.close()

    def close(self) -> None:
        """Close; what was not sent is lost."""
        self._error = self._error or "closed"
        transport = self._transport
        if transport is None:
            return
        if self._method and (not self._sent or transport.get_write_buffer_size()):
            end_with_reset(transport)  # gunicorn takes a body that FIN breaks off for a whole, shorter one
        transport.abort()

    # -- a tunnel

    def join(self, receiver: Callable[[bytes], None]) -> bytes:
        """Give every byte to `receiver` from now on; returns those that are here already."""
        self.tunnelled_to = receiver
        return self._reader.tunnel()

    def pass_on(self, data: bytes) -> None:
        """Send bytes of a tunnel."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def hold(self, *, pause: bool) -> None:
        """Stop or go on reading, because the other end of a tunnel does."""
        if self._transport is not None and not self._transport.is_closing():
            (self._transport.pause_reading if pause else self._transport.resume_reading)()

    # -- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.tunnelled_to is not None:
            self.tunnelled_to(data)
            return
        wake = self._wake
        if wake is None:
            self._error = "it spoke unasked"
            self._home.spoke_unasked()
            self.close()
            return
        self._heard = True
        self._reader.receive(data)
        if self._reader.buffered > _HIGH and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        wake()

    def eof_received(self) -> bool:
        self._reader.close()
        self._error = self._error or "it hung up"
        if self._wake is not None:
            self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        # A reset, or TLS without its closing word, is not what ends a body that goes on until the end.
        self._error = self._error or (str(exc) if exc is not None else "it hung up")
        self._transport = None
        self.takes_more = True
        if self._wake is not None:
            self._wake()
        else:
            self._home.lost(self)

    def pause_writing(self) -> None:
        self.takes_more = False

    def resume_writing(self) -> None:
        self.takes_more = True
        if self._resume is not None:
            self._resume()

    # -- our own

    def _write(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or self._error is not None:
            raise self._failure("disconnected", self._error or "closed")
        transport.write(data)

    def _judge(self, head: AnswerHead) -> None:
        """Whether the connection can be used again after this answer.

        Whether a length follows on HEAD, 204 and 304 is where servers err; an early answer leaves the rest of
        our request to be read as the next one.
        """
        noted = head.fields.noted
        said = elements(noted[_CONNECTION]) if _CONNECTION in noted else ()
        stays = b"close" not in said and (head.version == (1, 1) or b"keep-alive" in said)
        self._reusable = (
            stays
            and self._sent
            and not self._login
            and head.body.kind != "eof"
            and not (head.body.kind == "none" and _LENGTH in noted)
            and not is_login(noted.get(_CHALLENGE))
        )
        if _KEEP_ALIVE in noted:
            self._home.learn(noted[_KEEP_ALIVE])

    def _failure(self, kind: str, detail: str) -> UpstreamError:
        return UpstreamError(kind, self._home.name, detail)
