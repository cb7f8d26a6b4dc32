"""A client that hides nothing: it sends the bytes it is given and returns the bytes it gets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h11

from tests.e2e.wire import Conversation


@dataclass(frozen=True)
class RawAnswer:
    """One final answer as it crossed the wire, framing taken off, nothing else."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]  # names as they were spelled, in their order
    body: bytes

    def value(self, name: str) -> str | None:
        """The first value of a header, whatever its case."""
        wanted = name.lower().encode()
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == wanted), None)

    def without(self, *names: str) -> list[tuple[bytes, bytes]]:
        """The headers that are compared, when `names` are allowed to differ."""
        allowed = {name.lower().encode() for name in names}
        return [(key, value) for key, value in self.headers if key.lower() not in allowed]


def request_bytes(
    method: str, target: str, headers: list[tuple[str, str]], body: bytes = b"", *, host: str = "shop.test"
) -> bytes:
    """A request exactly as written: nothing is added but Host, Connection and the body's length."""
    head = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
    if body:
        head.append(f"Content-Length: {len(body)}")
    head += ["Connection: close", "", ""]
    return "\r\n".join(head).encode() + body


def exchange(port: int, request: bytes, *, timeout: float = 30.0) -> bytes:
    """Send `request`, return every byte that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.sendall(request)
        parts: list[bytes] = []
        while part := connection.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def parse_answer(received: bytes, method: str) -> RawAnswer:
    """The final answer in `received`; a cut or malformed one raises h11.RemoteProtocolError."""
    return _first_answer(received, method, ended=True)[0]


@dataclass(frozen=True)
class Recorded:
    """One exchange as a wire saw it."""

    at: float
    method: str
    target: str
    request_headers: tuple[tuple[bytes, bytes], ...]
    request_body: bytes
    answer: RawAnswer

    @property
    def name(self) -> str:
        """How a message calls it."""
        return f"{self.method} {self.target}"


def recorded(conversations: list[Conversation]) -> list[Recorded]:
    """Every exchange of all connections, in the order in which the requests were sent."""
    return sorted((one for talk in conversations for one in _exchanges(talk)), key=lambda one: one.at)


def _exchanges(talk: Conversation) -> Iterator[Recorded]:
    sent, received = bytes(talk.sent), bytes(talk.received)
    while sent:
        at = talk.sent_at(len(talk.sent) - len(sent))
        request, body, sent = _first_request(sent)
        answer, received = _first_answer(received, request.method.decode(), ended=True)
        yield Recorded(
            at,
            request.method.decode(),
            request.target.decode("latin-1"),
            tuple(request.headers.raw_items()),
            body,
            answer,
        )


def _first_request(sent: bytes) -> tuple[h11.Request, bytes, bytes]:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1_000_000)
    connection.receive_data(sent)
    head, body = _events(connection, cut=True)
    assert isinstance(head, h11.Request)
    return head, body, connection.trailing_data[0] if connection.their_state is h11.DONE else b""


def _first_answer(received: bytes, method: str, *, ended: bool) -> tuple[RawAnswer, bytes]:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1_000_000)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "x"), ("Content-Length", "0")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(received)
    if ended:
        connection.receive_data(b"")
    head, body = _events(connection)
    assert isinstance(head, h11.Response)
    answer = RawAnswer(head.status_code, tuple(head.headers.raw_items()), body)
    return answer, connection.trailing_data[0]


def _events(connection: h11.Connection, *, cut: bool = False) -> tuple[h11.Request | h11.Response, bytes]:
    """Head and body of one message; with `cut`, as much of the body as there is.

    A server that refuses before it has read the body ends the request there.
    """
    head: h11.Request | h11.Response | None = None
    body = bytearray()
    while True:
        event: Any = connection.next_event()
        if isinstance(event, h11.Request | h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            return head, bytes(body)
        elif event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
            if cut and head is not None:
                return head, bytes(body)
            raise h11.RemoteProtocolError(f"the message ends before its end: {head!r}")
