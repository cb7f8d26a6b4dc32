"""Requests at a fixed rate, whatever the answers take: the time of each counts from when it was due.

A generator that waits for slow answers before it asks again hides them (coordinated omission). `select` is
used because its timeouts are finer than a millisecond, which is what is measured.
"""

from __future__ import annotations

import gc
import select
import socket
import time
from collections.abc import Sequence

from bench.facade import traffic
from bench.facade.answers import AnswerError, Answers
from bench.facade.traffic import Ask, Entry

_CONNECTIONS = 64
_LONGEST = 10.0  # seconds until somebody answers


def ask_at(port: int, asked: Sequence[Entry], ask: Ask, rate: float, seconds: float) -> list[float]:
    """Seconds from when each request was due until its answer was whole, in order of size."""
    requests = [traffic.raw(one, ask, 0) for one in asked]
    with _Pace(port, requests, ask.body, rate) as pace:
        gc.collect()
        gc.disable()
        try:
            return sorted(pace.run(seconds))
        finally:
            gc.enable()


class _Pace:
    """Sends what is due on connections that wait for nothing."""

    def __init__(self, port: int, requests: list[bytes], wanted: int, rate: float) -> None:
        self._requests, self._every = requests, 1 / rate
        self._idle = [socket.create_connection(("127.0.0.1", port), _LONGEST) for _ in range(_CONNECTIONS)]
        self._all = list(self._idle)
        self._busy: dict[socket.socket, float] = {}  # since when its request was due
        self._answers = {one: Answers(wanted) for one in self._all}
        self._times: list[float] = []
        self._sent = 0
        for one in self._all:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> _Pace:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._all:
            one.close()

    def run(self, seconds: float) -> list[float]:
        """All that were due within so long, until the last is answered."""
        begun = time.perf_counter()
        total = round(seconds / self._every)
        while len(self._times) < total:
            now = time.perf_counter()
            due = begun + self._sent * self._every
            while self._sent < total and due <= now and self._idle:
                self._send(due)
                due = begun + self._sent * self._every
            waits = due - now if self._idle and self._sent < total else _LONGEST
            self._receive(max(0.0, waits))
        return self._times

    def _send(self, due: float) -> None:
        # The one that has waited longest: all connections stay in use, as those of many users would.
        connection = self._idle.pop(0)
        connection.sendall(self._requests[self._sent % len(self._requests)])
        self._busy[connection] = due
        self._sent += 1

    def _receive(self, within: float) -> None:
        ready, _, _ = select.select(list(self._busy), [], [], within)
        if not ready and within == _LONGEST:
            raise AnswerError(f"nobody answered for {_LONGEST:g} s")
        for connection in ready:
            answers = self._answers[connection]
            answers.feed(connection.recv(262_144))
            if answers.complete():
                self._times.append(time.perf_counter() - self._busy.pop(connection))
                self._idle.append(connection)
