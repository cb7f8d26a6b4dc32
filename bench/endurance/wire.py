"""A client connection that knows exactly how it ended: closed between requests, cut, reset or silent."""

from __future__ import annotations

import asyncio
import re
import socket
from dataclasses import dataclass
from enum import StrEnum

_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


class Fate(StrEnum):
    """What became of a request."""

    ANSWERED = "answered"
    SERVER_ERROR = "server_error"  # a whole answer with 5xx
    REFUSED = "refused"  # no connection
    RESET = "reset"  # reset before a byte of the answer
    CLOSED = "closed"  # closed before a byte of the answer
    CUT = "cut"  # an answer that had begun and did not end
    SILENT = "silent"  # no answer in time
    WRONG = "wrong"  # somebody else's answer


class Before(StrEnum):
    """How a kept connection was found before its next request."""

    OPEN = "open"
    CLOSED = "closed_between"
    RESET = "reset_between"


@dataclass(frozen=True, slots=True)
class Answer:
    """A request's fate and, when there is one, its answer."""

    fate: Fate
    status: int = 0
    head: bytes = b""
    body: bytes = b""

    @property
    def last(self) -> bool:
        """Whether it says that the connection ends here."""
        return b"\r\nconnection: close" in self.head.lower()


class Connection:
    """One connection to 127.0.0.1."""

    def __init__(self, port: int, timeout: float = 20.0) -> None:
        """Not connected yet."""
        self._port, self._timeout = port, timeout
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop = asyncio.get_running_loop()
        self.own_port = 0

    async def connect(self) -> bool:
        """Whether somebody accepts."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._loop.sock_connect(self._socket, ("127.0.0.1", self._port))
        except (OSError, TimeoutError):
            return False
        self.own_port = self._socket.getsockname()[1]
        return True

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def look(self) -> Before:
        """What happened while it was idle, as every client's pool looks before it asks again."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return Before.OPEN
        except OSError:
            return Before.RESET
        return Before.CLOSED

    async def ask(self, request: bytes, expected: bytes = b"") -> Answer:
        """Send a request and wait for its whole answer, which must contain `expected`."""
        data = bytearray()
        try:
            async with asyncio.timeout(self._timeout):
                await self._loop.sock_sendall(self._socket, request)
                while not (whole := _whole(data)):
                    part = await self._loop.sock_recv(self._socket, 262_144)
                    if not part:
                        return Answer(Fate.CUT if data else Fate.CLOSED)
                    data += part
        except TimeoutError:
            return Answer(Fate.SILENT)
        except OSError:
            return Answer(Fate.CUT if data else Fate.RESET)
        return _judged(whole, expected)


def _whole(data: bytearray) -> tuple[bytes, bytes] | None:
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    length = _LENGTH.search(data, 0, end + 2)
    needed = end + 4 + (int(length[1]) if length else 0)
    return (bytes(data[: end + 2]), bytes(data[end + 4 : needed])) if len(data) >= needed else None


def _judged(whole: tuple[bytes, bytes], expected: bytes) -> Answer:
    head, body = whole
    found = _STATUS.match(head)
    status = int(found[1]) if found else 0
    fate = Fate.SERVER_ERROR if status >= 500 else Fate.ANSWERED
    if fate is Fate.ANSWERED and (expected not in body or status != 200):
        fate = Fate.WRONG
    return Answer(fate, status, head, body)


def head(method: str, path: str, *lines: str) -> bytes:
    """The head of a request."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: shop.test", *lines, "", ""]).encode()
