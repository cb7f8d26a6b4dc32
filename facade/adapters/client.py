"""One client connection as an asyncio protocol: from request to request, with a deadline for each wait.

A request is one coroutine. It is resumed by the events of its two connections themselves, without a task, a
future or a timer of its own: those would cost more than the request (measured: docs/decisions/0010).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

from facade.adapters.answering import FOREVER, Answering, House
from facade.core.problem import Problem
from facade.errors import ClientGone, Refused

_BEHIND = 64 * 1024  # unread bytes behind a request before its client is made to wait
# What a connection waits for, and so what its deadline means: a request; the rest of a head; an event of the
# request under way; the client to take what it was sent, before the next request; the client's own close.
_IDLE, _HEAD, _BUSY, _FULL_BUFFER, _LINGERING = range(5)
_A_LOT = 1 << 62
# An empty line behind a body is no request that comes late: a 408 would be read as the next one's answer.
_BLANK = (b"\r", b"\r\n")
_LATE_HEAD = Problem(408, "head_timeout", "The request's head did not arrive in time. Send it again.")
_FULL = Problem(503, "connections", "There are too many connections. Try again in a moment.", 1)


class ClientConnection(Answering):
    """One client connection; for the flow it is the `ClientSide` of its present request."""

    __slots__ = ("_again", "_flow", "_gone", "_left_to_send", "_phase", "_running")

    def __init__(self, house: House) -> None:
        """Made for each newcomer; the event loop calls the methods of `asyncio.Protocol`."""
        super().__init__(house)
        self._flow: Coroutine[Any, Any, None] | None = None
        self._running = self._again = self._gone = False
        self._left_to_send = _A_LOT
        self._phase = _IDLE

    def wake(self) -> None:
        """Go on with the present request."""
        if self._running:
            self._again = True
            return
        flow = self._flow
        if flow is None:
            return
        self._running = self._again = True
        try:
            while self._again:
                self._again = False
                if self._gone:
                    flow.throw(ClientGone("the client hung up"))
                else:
                    flow.send(None)
        except StopIteration:
            self._flow = None
        except Exception as error:  # noqa: BLE001 - the flow catches its own: this is a defect of ours
            self._flow = None
            self._keep_alive = False
            self._house.on_broken(error)
        finally:
            self._running = False
        if self._flow is None:
            self._after_request()

    # -- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if isinstance(peer, tuple) else ""
        if not self._house.enter(self):
            self._house.on_refused(_FULL)
            self._turn_away(_FULL)
            return
        self._wait_for_request()

    def data_received(self, data: bytes) -> None:
        if self._tunnel is not None:
            self._tunnel.from_client(data)
            return
        phase = self._phase
        if phase == _LINGERING:
            return  # the last answer is given: what still comes is read and thrown away
        self._reader.receive(data)
        if phase <= _HEAD:
            self._next()
        elif self._upload is not None and not self._upload.over:
            self._upload.move()
        elif self._reader.buffered > _BEHIND:
            self.pause_reading()

    def eof_received(self) -> bool:
        """A client that closed its half after a whole request still wants its answer."""
        if self._tunnel is not None:
            if self._transport is not None:
                self._transport.close()
            self.wake()  # else nobody would look at the tunnel before its silence is over
            return False
        if self._flow is None and not (self._phase == _FULL_BUFFER and self._reader.buffered):
            return False
        self.half_closed = True
        if self._upload is not None:
            self._upload.move()  # what is missing will never come
        self.wake()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = True
        self._transport = None
        self.deadline = FOREVER
        self._house.leave(self)
        if self._tunnel is not None:
            self._tunnel.close()
        if self._flow is not None:
            self.wake()
        if self._flow is not None and not self._running:
            self._flow.close()  # it went on waiting though nobody is there any more

    def pause_writing(self) -> None:
        self.takes_more = False
        if self._tunnel is not None:
            self._tunnel.hold_backend(pause=True)

    def resume_writing(self) -> None:
        self.takes_more = True
        if self._tunnel is not None:
            self._tunnel.hold_backend(pause=False)
        elif self._phase == _FULL_BUFFER:
            self._go_on()
        elif self._flow is not None:
            self.wake()

    # -- from request to request

    def end_idle(self) -> None:
        """Close if it waits for a request since before the worker began to end."""
        if self._phase == _IDLE and self.deadline > self.now() + self._house.limits.last_answer:
            self._close()

    def _next(self) -> None:
        """Take the next request out of what was read, if it is whole."""
        try:
            head = self._reader.next_head()
        except Refused as refused:
            self._house.on_refused(refused.problem)
            self._turn_away(refused.problem)
            return
        if head is None:
            self._wait_for_head()
            return
        self.head = head
        self.begun = self._keep_alive = self._chunked = False
        self._upload = None
        self._phase = _BUSY
        self._flow = self._house.handle(self)
        self.wake()

    def _wait_for_head(self) -> None:
        self.resume_reading()  # the largest heads are larger than what is read behind a request
        if self.half_closed:
            self._close()
        elif self._reader.buffered == 0:
            self._wait_for_request()
        elif self._phase != _HEAD:  # counted from its first byte
            self._wait(_HEAD, self._house.limits.head)

    def _after_request(self) -> None:
        """The flow is over: on to the next request, or let the client read its answer and close."""
        transport = self._transport
        if transport is None:
            return
        self.stop_upload()
        if not self._keep_alive or transport.is_closing():
            self._linger()
        elif not self.takes_more:
            self._left_to_send = _A_LOT
            self._wait(_FULL_BUFFER, self._house.limits.stalled_write)
        else:
            self._go_on()

    def _go_on(self) -> None:
        """On to what was sent behind the last request, with others' turns in between."""
        self.resume_reading()
        if not self._reader.buffered:
            self._wait_for_request()
            if self.half_closed:
                self._close()
            return
        self._wait(_FULL_BUFFER, self._house.limits.stalled_write)
        self._house.loop.call_soon(self._others_were_served)

    def _others_were_served(self) -> None:
        if self._phase == _FULL_BUFFER and self._transport is not None:
            self._phase = _IDLE
            self._next()

    def _turn_away(self, problem: Problem) -> None:
        """Send a problem to whom we understand no further."""
        if self._transport is not None:
            self._transport.write(self._problem(problem, "", keep_alive=False, to=""))
        self._linger()

    def _linger(self) -> None:
        """Close our half and read on for a while: a reset would take the answer from the client's hands."""
        transport = self._transport
        if transport is None:
            return
        self._left_to_send = _A_LOT
        self._wait(_LINGERING, self._house.limits.linger)  # also for a close that is under way: it may hang
        if transport.is_closing():
            return
        self.resume_reading()
        if self.half_closed or self._tunnel is not None or not transport.can_write_eof():
            transport.close()
        else:
            transport.write_eof()

    def _close(self) -> None:
        """Close between two requests: one that crosses our close is read, for else it would bring a reset.

        That takes a round trip. Many clients see our close only when they ask next, and are not waited for.
        """
        self._linger()
        limits = self._house.limits
        self.deadline = min(self.deadline, self.now() + min(limits.linger, limits.last_answer))

    def late(self) -> None:
        """The deadline has passed."""
        self.deadline = FOREVER
        if self._phase == _BUSY:
            self.wake()
        elif self._phase == _IDLE or (self._phase == _HEAD and self._reader.rest() in _BLANK):
            self._close()
        elif self._phase == _HEAD:
            self._house.on_refused(_LATE_HEAD)
            self._turn_away(_LATE_HEAD)
        else:
            self._abort_unless_it_moves()

    def _abort_unless_it_moves(self) -> None:
        """Every close has its deadline; a slow client that still takes what it was sent gets another one."""
        left = self.unsent
        if left == 0:
            self.abort()
        elif left >= self._left_to_send:
            self.cut()
        else:
            self._left_to_send = left
            self._wait(self._phase, self._house.limits.stalled_write)

    def _wait_for_request(self) -> None:
        """Wait for the next one; while the worker ends not for long, and it is answered with `close`."""
        limits = self._house.limits
        self._wait(_IDLE, limits.last_answer if self._house.draining else limits.idle)

    def _wait(self, phase: int, seconds: float) -> None:
        self._phase = phase
        self.deadline = self._house.loop.time() + seconds
