"""What a measurement costs: the clock, our processor and, where there is one, the server's."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")
_EVERY = 5.0  # seconds between two lines of progress


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds; `server` is None where the database works in our own process."""

    wall: float
    own: float
    server: float | None = None


def cost_of(work: Callable[[], object], server: int | None = None) -> Cost:
    """Do it; `server` is the process whose children do the database's part."""
    theirs = _family(server) if server else 0.0
    wall, own = time.perf_counter(), time.process_time()
    work()
    wall, own = time.perf_counter() - wall, time.process_time() - own
    return Cost(wall, own, _family(server) - theirs if server else None)


def server_of(connection: Any) -> int:
    """The process that started this session's backend, on this machine."""
    return _numbers(connection.execute("SELECT pg_backend_pid()").fetchone()[0])[1]


def _family(parent: int) -> float:
    """Seconds of the processor: the parent, its children, and those that have ended."""
    ticks = 0
    for entry in Path("/proc").iterdir():
        try:
            numbers = _numbers(int(entry.name)) if entry.name.isdigit() else []
        except OSError:  # it has ended meanwhile, and counts among its parent's
            continue
        if numbers and parent in (numbers[1], int(entry.name)):
            ticks += sum(numbers[11:15] if int(entry.name) == parent else numbers[11:13])
    return ticks / _TICKS


def _numbers(pid: int) -> list[int]:
    """Fields 3 and on of proc_pid_stat(5), the state as 0: a name may hold spaces."""
    rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [0, *map(int, rest[1:])]


class Progress:
    """A line on stderr every few seconds: a million rows take minutes."""

    def __init__(self, what: str, total: int) -> None:
        """`total` rows are to be carried."""
        self._what, self._total = what, total
        self._done = 0
        self._began = self._said = time.monotonic()

    def add(self, rows: int) -> None:
        """So many more are done."""
        self._done += rows
        now = time.monotonic()
        if now - self._said >= _EVERY:
            self._said = now
            rate = self._done / (now - self._began)
            line = f"{self._what}: {self._done:,} of {self._total:,}, {rate:,.0f}/s"
            print(line, file=sys.stderr, flush=True)
