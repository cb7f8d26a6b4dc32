"""Builders for the facade's tests: raw upstreams and raw clients.

Nothing here knows HTTP beyond the end of a head: upstreams answer with the bytes they are given, clients
show the bytes they get.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


def until(happened: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """Poll until `happened()` is true, and return it."""
    deadline = time.monotonic() + seconds
    while True:
        found = happened()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


# Upstreams


@dataclass
class Got:
    """A request as its upstream got it."""

    head: bytes
    body: bytes

    @property
    def line(self) -> bytes:
        """The request line."""
        return self.head.split(b"\r\n", 1)[0]

    @property
    def target(self) -> bytes:
        """The request target."""
        return self.line.split(b" ")[1]

    def values(self, name: str) -> list[str]:
        """The values of a header."""
        return header_values(self.head, name)


def header_values(head: bytes, name: str) -> list[str]:
    """Every value of a header in the bytes of a head."""
    found = []
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name.lower().encode():
            found.append(value.strip().decode("latin-1"))
    return found


Answer = Callable[[Got, socket.socket], bytes | None]


def hang_up(connection: socket.socket) -> None:
    """Close the connection, whoever else still holds its file."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def ok(body: bytes = b"{}", *headers: str, status: str = "200 OK") -> bytes:
    """An answer with a length."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


class RawUpstream:
    """A server that answers with bytes, one thread per connection; it remembers what it got.

    `answer(got, socket)` returns the bytes to send, or None when it has sent (or closed) by itself.
    """

    def __init__(self, answer: Answer, *, port: int = 0, idle: float | None = None) -> None:
        self._answer = answer
        self._idle = idle
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.got: list[Got] = []
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def __enter__(self) -> RawUpstream:
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and hang up on everybody."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=5)

    def _spawn(self, work: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(self._idle)
            self.connections += 1
            self._open.add(connection)
            self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        reader = connection.makefile("rb")
        with contextlib.suppress(OSError, ValueError), connection, reader:
            while not self._closed:
                head = read_head(reader)
                if not head:
                    break
                got = Got(head, read_body(head, reader))
                self.got.append(got)
                answer = self._answer(got, connection)
                if answer is not None:
                    connection.sendall(answer)
                    if b"connection: close" in answer.split(b"\r\n\r\n", 1)[0].lower():
                        break
        self._open.discard(connection)


def read_head(reader: Any) -> bytes:
    """A head up to and with its empty line; b"" when the peer hung up first."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline(100_000)
        if not line:
            return b""
        head += line
    return head


def read_body(head: bytes, reader: Any) -> bytes:
    """The body that a head announces, by length or chunks; OSError when it breaks off."""
    if "chunked" in "".join(header_values(head, "transfer-encoding")).lower():
        return _read_chunks(reader)
    length = int((header_values(head, "content-length") or ["0"])[0])
    body = reader.read(length)
    if len(body) < length:
        raise OSError("the body broke off")
    return bytes(body)


def _read_chunks(reader: Any) -> bytes:
    parts = []
    while True:
        line = reader.readline(100)
        if not line.endswith(b"\r\n"):
            raise OSError("the chunks broke off")
        size = int(line.split(b";")[0], 16)
        part = reader.read(size + 2)
        if len(part) < size + 2:
            raise OSError("a chunk broke off")
        if size == 0:
            return b"".join(parts)
        parts.append(part[:-2])


# Clients


@dataclass
class Reply:
    """An answer as the client got it; `whole` is False when its framing says that something is missing."""

    head: bytes
    body: bytes
    whole: bool = True
    interim: list[bytes] = field(default_factory=list)

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.head.split(b" ", 2)[1])

    def values(self, name: str) -> list[str]:
        """The values of a header."""
        return header_values(self.head, name)

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class RawClient:
    """One connection to the facade."""

    def __init__(self, port: int, timeout: float = 15.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.reader = self.socket.makefile("rb")

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.reader.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def reply(self, method: str = "GET") -> Reply:
        """Read one final answer; a Reply with an empty head when the facade hung up."""
        interim = []
        while True:
            head = read_head(self.reader)
            if not head or not head.split(b" ", 2)[1].startswith(b"1"):
                break
            interim.append(head)
        if not head:
            return Reply(b"", b"", whole=False, interim=interim)
        status = int(head.split(b" ", 2)[1])
        if method == "HEAD" or status in (204, 304):
            return Reply(head, b"", interim=interim)
        framed = header_values(head, "content-length") or header_values(head, "transfer-encoding")
        try:
            body = read_body(head, self.reader) if framed else self.reader.read()
        except OSError:
            return Reply(head, b"", whole=False, interim=interim)
        return Reply(head, body, interim=interim)

    def ask(
        self, method: str, target: str, *headers: str, body: bytes = b"", host: str = "shop.test"
    ) -> Reply:
        """Send a request and read its answer."""
        self.send(request(method, target, *headers, body=body, host=host))
        return self.reply(method)


def request(method: str, target: str, *headers: str, body: bytes = b"", host: str = "shop.test") -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def ask(
    port: int, method: str, target: str, *headers: str, body: bytes = b"", timeout: float = 15.0
) -> Reply:
    """One request on its own connection."""
    with RawClient(port, timeout) as client:
        return client.ask(method, target, *headers, body=body)
