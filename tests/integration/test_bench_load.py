"""The load generators in Python: a stall of the server is seen by all who would have asked meanwhile."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from bench.facade.answers import AnswerError
from bench.facade.closed_loop import ask_in_turns
from bench.facade.open_loop import ask_at
from bench.facade.traffic import SMALL, Ask, Entry, answer_body

ASK = Ask(route=False)
ENTRIES = [Entry("/pages/1", "strangler_key=a", "00-0-0-01")]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (SMALL, answer_body(SMALL))
STALL = 0.4


class Server:
    """Answers in threads; `stall_at` is the number of the request at which everybody waits."""

    def __init__(self, answer: bytes, stall_at: int = -1) -> None:
        self._answer, self._stall_at = answer, stall_at
        self._lock, self._seen = threading.Lock(), 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while connection.recv(65_536).endswith(b"\r\n\r\n"):
                with self._lock:
                    self._seen += 1
                    if self._seen == self._stall_at:
                        time.sleep(STALL)
                connection.sendall(self._answer)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def serve() -> Iterator[type[Server]]:
    started: list[Server] = []

    class Started(Server):
        def __init__(self, answer: bytes, stall_at: int = -1) -> None:
            super().__init__(answer, stall_at)
            started.append(self)

    yield Started
    for server in started:
        server.close()


def test_at_a_fixed_rate_all_who_were_due_during_a_stall_waited(serve: type[Server]) -> None:
    times = ask_at(serve(OK, stall_at=100).port, ENTRIES, ASK, 200.0, 1.5)
    assert len(times) == 300
    # 80 requests were due within 0.4 s; who asked only when answered would count one for each connection.
    assert sum(one > STALL / 4 for one in times) >= 40
    assert times[0] < STALL / 4


def test_a_wrong_answer_ends_the_measurement(serve: type[Server]) -> None:
    port = serve(OK.replace(b"200 OK", b"503 No")).port
    with pytest.raises(AnswerError, match="503"):
        ask_at(port, ENTRIES, ASK, 200.0, 0.5)
    with pytest.raises(AnswerError, match="503"):
        ask_in_turns(port, ENTRIES, ASK, 0.5, 0)


def test_without_wrk_answers_and_their_bytes_are_counted(serve: type[Server]) -> None:
    answered, size, seconds = ask_in_turns(serve(OK).port, ENTRIES, ASK, 0.5, 0)
    assert answered > 50
    assert answered * len(OK) <= size <= (answered + 32) * len(OK)
    assert 0.5 <= seconds < 3
