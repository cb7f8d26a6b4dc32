"""One request of a client and the way back to it: what the flow knows as `ClientSide`.

Where a connection goes from request to request is in `facade.adapters.client`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from typing import Any, Protocol, cast

from facade.adapters.tcp import end_with_reset
from facade.adapters.tunnel import Tunnel
from facade.adapters.uploading import Upload
from facade.adapters.upstream import BackendConnection
from facade.core.headers import Header, elements
from facade.core.http1.fields import Kind
from facade.core.http1.framing import Body
from facade.core.http1.head import RequestHead
from facade.core.http1.requests import RequestReader
from facade.core.http1.writing import LAST_CHUNK, answer_head, chunk
from facade.core.problem import Problem, render
from facade.errors import ClientGone
from facade.ports import UpstreamConnection
from facade.settings import Limits

_CONNECTION, _SOCKET_KEY = int(Kind.CONNECTION), int(Kind.SOCKET_KEY)
FOREVER = float("inf")


class House(Protocol):
    """What all connections of a worker share."""

    limits: Limits
    draining: bool
    on_refused: Callable[[Problem], None]
    on_broken: Callable[[BaseException], None]
    handle: Callable[[Any], Coroutine[Any, Any, None]]
    loop: asyncio.AbstractEventLoop

    def enter(self, connection: Any) -> bool:
        """Count one more connection; False when there is no room for it."""
        ...

    def leave(self, connection: Any) -> None:
        """It is gone."""
        ...


class Pause:
    """Awaited, it gives control back to the connection until the next event."""

    def __await__(self) -> Generator[None, None, None]:
        """Give control back once."""
        yield


_PAUSE = Pause()


class Answering:
    """The request under way on a connection; a new one begins where `head` is replaced."""

    __slots__ = (
        "_chunked", "_house", "_keep_alive", "_reader", "_reading_paused", "_transport",
        "_tunnel", "_upload", "begun", "deadline", "half_closed", "head", "peer", "takes_more",
    )  # fmt: skip

    head: RequestHead

    def __init__(self, house: House) -> None:
        """Nothing has been asked yet."""
        self._house = house
        self._transport: asyncio.Transport | None = None
        self._reader = RequestReader()
        self._upload: Upload | None = None
        self._tunnel: Tunnel | None = None
        self._chunked = self._keep_alive = self.half_closed = self._reading_paused = self.begun = False
        self.takes_more = True
        self.peer = ""
        self.deadline = FOREVER

    def now(self) -> float:
        """The loop's time in seconds."""
        return self._house.loop.time()

    def event(self, until: float) -> Awaitable[None]:
        """Wait until something happened, or until `until`."""
        self.deadline = until
        return _PAUSE

    def wake(self) -> None:
        """Go on with the present request."""
        raise NotImplementedError

    def turn(self) -> Awaitable[None]:
        """Go on after the other connections had their turn."""
        self._house.loop.call_soon(self.wake)
        return _PAUSE

    def upload(self, connection: UpstreamConnection, limit: int | None) -> None:
        """Send the body on as it comes."""
        self._upload = Upload(
            self._reader,
            cast(BackendConnection, connection),
            limit,
            self._house.limits,
            self._house.loop,
            self,
        )
        self._upload.move()

    @property
    def uploading(self) -> bool:
        """Whether some of the body has not been sent on."""
        return self._upload is not None and self._upload.under_way()

    def stop_upload(self) -> None:
        """Nobody wants the rest of the body."""
        if self._upload is not None:
            self._upload.stop()
            self._upload = None

    def interim(self, status: int, headers: Sequence[Header]) -> None:
        """Send an interim answer, where the client's version knows them."""
        if not self.begun and self.head.version == (1, 1):
            self._send(answer_head(status, headers, keep_alive=True))

    def begin(self, status: int, headers: Sequence[Header], body: Body, first: bytes, *, last: bool) -> None:
        """Send the head and the first bytes of the body."""
        unknown = body.kind in ("chunked", "eof")
        chunked = self._chunked = unknown and self.head.version == (1, 1)
        self._keep_alive = keep = self._may_stay() and (not unknown or chunked) and self._reader.body_ended
        head = answer_head(status, headers, keep_alive=keep, chunked=chunked)
        self.begun = True
        if not chunked:
            self._send(head + first if first else head)
            return
        self._send(b"".join((head, chunk(first), LAST_CHUNK if last else b"")))
        if last:
            self._chunked = False  # its end is sent

    def write(self, data: bytes) -> None:
        """Send bytes of the body."""
        self._send(chunk(data) if self._chunked else data)

    @property
    def unsent(self) -> int:
        """How many bytes wait for the client."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def finish(self) -> None:
        """Everything was sent."""
        if self._chunked:
            self._send(LAST_CHUNK)

    def refuse(self, problem: Problem, request_id: str) -> None:
        """Answer with a problem of ours."""
        self.begun = True
        # A body that nobody will read stands between this request and the next one.
        self._keep_alive = self._may_stay() and self._reader.body_ended
        answer = self._problem(problem, request_id, keep_alive=self._keep_alive, to=self.head.method)
        self._send(answer)

    def cut(self) -> None:
        """Reset the connection: what was sent is visibly not whole, also where only the end would end it."""
        self._keep_alive = False
        if self._transport is not None:
            end_with_reset(self._transport)
        self.abort()

    def tunnel(self, headers: Sequence[Header], connection: UpstreamConnection) -> None:
        """Switch protocols."""
        self.begun = True
        self._keep_alive = False
        self._send(answer_head(101, headers, keep_alive=True, tunnel=True))
        transport, backend = cast(asyncio.Transport, self._transport), cast(BackendConnection, connection)
        self._tunnel = Tunnel(self._house.loop, transport, self, backend)
        self.resume_reading()  # paused where much came before the 101; the tunnel pauses by its own measure
        self._tunnel.join(self._reader.rest())

    def tunnelled(self) -> float | None:
        """When the last byte passed the tunnel, in the loop's time; None when one of its ends is closed."""
        return self._tunnel.last_byte if self._tunnel is not None and self._tunnel.is_open else None

    def pause_reading(self) -> None:
        """Take nothing more from the client for now."""
        if not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take more."""
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Hang up at once."""
        self.deadline = FOREVER
        if self._transport is not None:
            self._transport.abort()

    def _problem(self, problem: Problem, request_id: str, *, keep_alive: bool, to: str) -> bytes:
        """The bytes of a problem; behind an answer `to` a HEAD a body would be the next answer."""
        headers, body = render(problem, request_id)
        headers.append((b"Content-Length", b"%d" % len(body)))
        head = answer_head(problem.status, headers, keep_alive=keep_alive)
        return head if to == "HEAD" else head + body

    def _may_stay(self) -> bool:
        said = self.head.fields.noted.get(_CONNECTION)
        if said is None:
            stays = self.head.version == (1, 1)
        else:
            words = elements(said)
            stays = b"close" not in words and (self.head.version == (1, 1) or b"keep-alive" in words)
        if not stays or self._house.draining:
            return False
        behind = self._reader.buffered
        # What was sent behind a handshake that was declined was never meant to be a request.
        declined = behind > 0 and _SOCKET_KEY in self.head.fields.noted
        return not declined and (behind > 0 or not self.half_closed)

    def _send(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ClientGone("the client hung up")
        transport.write(data)
