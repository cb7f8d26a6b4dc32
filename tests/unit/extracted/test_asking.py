"""Asking a neighbour: connections are kept, one that was closed meanwhile costs nothing, every wait ends."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from extracted.asking import Neighbour, NoAnswer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nx-a: 2\r\n\r\nok"


class Server:
    """Answers each connection with the given texts, one a request, and then closes it without a word."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.connections = 0
        self.requests: list[bytes] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/base"

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                with connection:
                    for answer in self._answers:
                        request = connection.recv(65536)
                        if not request:
                            break
                        self.requests.append(request)
                        connection.sendall(answer)

    def close(self) -> None:
        # Closing alone does not wake who waits in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@contextlib.contextmanager
def asked(*answers: bytes, timeout: float = 5.0) -> Iterator[tuple[Server, Neighbour]]:
    with (
        contextlib.closing(Server(*answers)) as server,
        contextlib.closing(Neighbour(server.url, timeout)) as neighbour,
    ):
        yield server, neighbour


def test_one_connection_serves_many_questions() -> None:
    with asked(OK, OK, OK) as (server, neighbour):
        replies = [neighbour.get("/x", {"X-B": "3"}) for _ in range(3)]
        assert [(reply.status, reply.body, reply.all("X-A")) for reply in replies] == [
            (200, b"ok", ["1", "2"])
        ] * 3
        assert server.connections == 1
        assert server.requests[0].startswith(b"GET /base/x HTTP/1.1\r\n")
        assert b"X-B: 3\r\n" in server.requests[0]


def test_a_connection_that_was_closed_meanwhile_costs_nothing() -> None:
    with asked(OK) as (server, neighbour):
        for _ in range(3):
            assert neighbour.post("/y", b"{}", {}).status == 200
        assert server.connections == 3


def test_a_server_that_always_hangs_up_does_not_answer() -> None:
    with asked(b"") as (server, neighbour):
        with pytest.raises(NoAnswer, match="does not answer"):
            neighbour.get("/")
        assert server.connections == 1


def test_a_wait_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        neighbour = Neighbour(f"http://127.0.0.1:{silent.getsockname()[1]}", 0.05)
        with pytest.raises(NoAnswer, match="timed out"):
            neighbour.get("/")


def test_nonsense_is_no_answer() -> None:
    with asked(b"nonsense\r\n\r\n") as (_, neighbour), pytest.raises(NoAnswer, match="does not answer"):
        neighbour.get("/")
