"""CPU time and memory of a process and all below it, from /proc (Linux).

CPU time survives a noisy machine, as requests per second do not. It is read per task, so that a thread which
ends takes nothing away from the others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")


def tree(pid: int) -> Iterator[int]:
    """A process and those below it."""
    yield pid
    with contextlib.suppress(OSError):
        for task in (_PROC / str(pid) / "task").iterdir():
            for child in (task / "children").read_text().split():
                yield from tree(int(child))


def run_times(pid: int) -> dict[int, int]:
    """Nanoseconds that each task of the tree has run."""
    found: dict[int, int] = {}
    for process in tree(pid):
        found |= run_times_of(process)
    return found


def run_times_of(process: int) -> dict[int, int]:
    """The same for one process, without those below it."""
    found: dict[int, int] = {}
    with contextlib.suppress(OSError):
        for task in (_PROC / str(process) / "task").iterdir():
            found[int(task.name)] = int((task / "schedstat").read_text().split()[0])
    return found


def spent(before: dict[int, int], after: dict[int, int]) -> int:
    """Nanoseconds between two readings."""
    return sum(time - before.get(task, 0) for task, time in after.items())


def resident(pid: int) -> int:
    """Bytes in memory of the tree; what its processes share counts once for each."""
    total = 0
    for process in tree(pid):
        with contextlib.suppress(OSError):
            for line in (_PROC / str(process) / "status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1]) * 1024
    return total
