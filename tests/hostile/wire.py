"""One end of a TCP connection in a test: all that came, how it ended, and bytes sent one by one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

_WHOLE_AFTER = 384  # of a long text the first and the last bytes come one by one, the middle in pieces
_LAST = 64
_PIECE = 4001


class Wire:
    """A connected socket; `data` is what has come and nobody took, `ended` None, "eof" or "reset"."""

    def __init__(self, connected: socket.socket, *, split: bool = False) -> None:
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = bytearray()
        self.ended: str | None = None
        self.sent = 0
        self.closed = False
        self._socket, self._split = connected, split
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    async def until(self, holds: Callable[[], object], seconds: float) -> bool:
        """Wait until `holds()` or the end; False when the time was up."""
        try:
            async with asyncio.timeout(seconds):
                while not holds() and self.ended is None:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def send(self, data: bytes, *, whole: bool = False) -> bool:
        """Send; False when the other side takes no more."""
        split = self._split and not whole
        try:
            for piece in pieces(data) if split else (data,):
                if self.closed:
                    return False
                await asyncio.get_running_loop().sock_sendall(self._socket, piece)
                self.sent += len(piece)
                if split:
                    await asyncio.sleep(0)
        except OSError:
            return False
        return True

    def half_close(self) -> None:
        """Send FIN."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def stop_reading(self) -> None:
        """Leave what comes to the kernel."""
        self._task.cancel()

    def listen(self) -> None:
        """Read again."""
        if self._task.cancelled() and not self.closed:
            self._task = asyncio.create_task(self._read())

    def close(self) -> None:
        """Close."""
        if not self.closed:
            self.closed = True
            self.ended = self.ended or "closed"
            self._changed.set()
            self._task.cancel()
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    def reset(self) -> None:
        """Close with RST."""
        if not self.closed:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close()

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while got := await loop.sock_recv(self._socket, 262_144):
                self.data += got
                self._changed.set()
            self.ended = "eof"
        except OSError:
            self.ended = "reset"
        self._changed.set()


def pieces(data: bytes) -> list[bytes]:
    """The bytes one by one; the middle of a long text in larger pieces."""
    if len(data) <= _WHOLE_AFTER + _LAST:
        return [data[at : at + 1] for at in range(len(data))]
    middle = data[_WHOLE_AFTER:-_LAST]
    return [
        *pieces(data[:_WHOLE_AFTER]),
        *(middle[at : at + _PIECE] for at in range(0, len(middle), _PIECE)),
        *pieces(data[-_LAST:]),
    ]


async def connect(address: tuple[str, int], *, split: bool = False) -> Wire:
    """A new connection."""
    plain = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    plain.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(plain, address)
    except OSError:
        plain.close()
        raise
    return Wire(plain, split=split)
