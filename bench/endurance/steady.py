"""Requests at a fixed rate, whatever their answers take: the time of each counts from when it was due."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from bench.endurance.front import percentile
from bench.endurance.wire import Answer, Connection, Fate, head


@dataclass(frozen=True, slots=True)
class Due:
    """One request: when it was due, how long after that its answer was whole, and what it was."""

    at: float
    seconds: float
    status: int
    retry_after: bool
    fate: Fate


class Steady:
    """A crowd of users that nobody can slow down: who waits does not keep others from asking."""

    def __init__(self, port: int, path: str, timeout: float = 20.0, *, strangers: bool = False) -> None:
        """Users of `path`, where `{}` is a number; `strangers` bring a fresh connection each time."""
        self._port, self._path, self._timeout, self._strangers = port, path, timeout, strangers
        self._idle: deque[Connection] = deque()
        self._number = 0
        self.log: list[Due] = []

    async def ask(self, rate: float, seconds: float) -> list[Due]:
        """Ask `rate` times a second for so long; what became of these requests."""
        began, before = time.monotonic(), len(self.log)
        tasks = []
        for number in range(round(rate * seconds)):
            due = began + number / rate
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(self._ask(due)))
        await asyncio.gather(*tasks)
        return self.log[before:]

    def close(self) -> None:
        """Hang up."""
        while self._idle:
            self._idle.pop().close()

    async def _ask(self, due: float) -> None:
        answer, connection = await self._answer()
        told = b"\r\nretry-after: " in answer.head.lower()
        self.log.append(Due(due, time.monotonic() - due, answer.status, told, answer.fate))
        if self._strangers or answer.last or answer.fate not in (Fate.ANSWERED, Fate.SERVER_ERROR):
            connection.close()
        else:
            self._idle.append(connection)

    async def _answer(self) -> tuple[Answer, Connection]:
        self._number += 1
        connection = self._idle.popleft() if self._idle else Connection(self._port, self._timeout)
        if not connection.own_port and not await connection.connect():
            return Answer(Fate.REFUSED), connection
        return await connection.ask(head("GET", self._path.format(self._number))), connection


def p99(asked: list[Due], status: int = 200) -> float:
    """Of those that were answered with this status."""
    return percentile([one.seconds for one in asked if one.status == status], 0.99)
