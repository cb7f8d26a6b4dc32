"""The tap, seen from the shadow process: a private socket, peers of the same user only, frames in."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

from shadow.address import reachable
from shadow.core.exchange import Exchange
from shadow.core.frames import Decoder, ExchangeFrame, Frame, Hello, ProtocolError
from shadow.errors import TapError

_CHUNK = 256 * 1024
_PREDECESSOR = 10.0  # seconds the end of a sender's old connection is waited for
_LAST_WORDS = 2.0  # seconds for what senders have sent already, when this process stops
_TURNS = 4  # of the event loop, from accepting a connection to its conversation
_ROOT = 0  # may read the socket anyway
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: SO_PEERCRED of unix(7)


class TapListener:
    """Accepts senders and passes on what they say, each sender's words in their order."""

    def __init__(
        self,
        path: str | Path,
        exchange: Callable[[str, Exchange], None],
        totals: Callable[[str, str, Mapping[str, int]], None],
        tell: Callable[[str], None],
    ) -> None:
        """`exchange(instance, exchange)` and `totals(instance, route, counters)` must not block."""
        self._path = Path(path)
        self._exchange, self._totals, self._tell = exchange, totals, tell
        self._server: asyncio.Server | None = None
        self._speaking: dict[str, asyncio.Lock] = {}
        self._conversations: set[asyncio.Task[None]] = set()
        self._peers: set[socket.socket] = set()

    async def open(self) -> None:
        """Listen; TapError when another shadow process does, or the path cannot be used."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            await self.refuse_a_second()
            self._server = await asyncio.start_unix_server(self._accepted, sock=self._bound())
        except OSError as error:
            raise TapError(
                f"cannot listen on the tap {self._path}: {error}; make its directory writable, or set "
                "facade.tap to another path"
            ) from None

    async def close(self) -> None:
        """Hang up; what senders said before is heard to its end."""
        if self._server is not None:
            # While we still listen: later it might be our successor's socket, which nobody would find again.
            with contextlib.suppress(OSError):
                self._path.unlink()
            self._server.close()
            for _ in range(_TURNS):
                await asyncio.sleep(0)  # whoever was accepted just now gets as far as being known here
        for peer in self._peers:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RD)  # what is in the buffer can still be read, then comes the end
        if self._conversations:
            _, late = await asyncio.wait(tuple(self._conversations), timeout=_LAST_WORDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def refuse_a_second(self) -> None:
        """TapError when another shadow process listens on the path."""
        with contextlib.suppress(OSError), reachable(self._path) as address:
            _, writer = await asyncio.open_unix_connection(address)
            writer.close()
            await writer.wait_closed()
            raise TapError(f"another shadow process listens on {self._path}; stop it first")

    def _bound(self) -> socket.socket:
        """A listening socket that was never open to others: made elsewhere, then moved into place."""
        fresh = self._path.with_name(f".{self._path.name[:20]}-{secrets.token_hex(4)}")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            with reachable(fresh) as address:
                listener.bind(address)
            fresh.chmod(0o600)  # before listen(): until then nobody can connect
            listener.listen(64)
            fresh.replace(self._path)
        except BaseException:
            listener.close()
            fresh.unlink(missing_ok=True)
            raise
        return listener

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._conversations.add(task)
            task.add_done_callback(self._conversations.discard)
        peer = writer.get_extra_info("socket")
        self._peers.add(peer)
        try:
            if _same_user(peer):
                await self._converse(reader)
            else:
                self._tell("tap: hung up on a process of another user")
        except ProtocolError as error:
            self._tell(f"tap: hung up: {error}; do facade and shadow run the same version?")
        except OSError as error:
            self._tell(f"tap: a connection broke: {error}")
        finally:
            self._peers.discard(peer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader) -> None:
        decoder = Decoder()
        frames = await _some(reader, decoder)
        if not frames:
            return
        if not isinstance(frames[0], Hello):
            raise ProtocolError("the first frame says who sends, this one does not")
        instance = frames[0].instance
        # A sender that reconnects: what its old connection still holds is heard first, or it would be lost.
        lock = self._speaking.setdefault(instance, asyncio.Lock())
        mine = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PREDECESSOR):
                mine = await lock.acquire()
        try:
            while frames:
                self._hear(instance, frames)
                frames = await _some(reader, decoder)
        finally:
            if mine:
                lock.release()

    def _hear(self, instance: str, frames: list[Frame]) -> None:
        for frame in frames:
            if isinstance(frame, ExchangeFrame):
                self._exchange(instance, frame.exchange)
                continue
            # Totals follow the exchanges they count in one breath: no outcome is seen without its exchange.
            for route, counters in frame.totals.items():
                self._totals(instance, route, counters)


async def _some(reader: asyncio.StreamReader, decoder: Decoder) -> list[Frame]:
    """At least one frame, or none at the end."""
    while data := await reader.read(_CHUNK):
        if frames := decoder.feed(data):
            return frames
    return []


def _same_user(peer: socket.socket) -> bool:
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # other systems: the socket's mode 0600 is all there is
    found = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(found)
    return user in (os.getuid(), _ROOT)
