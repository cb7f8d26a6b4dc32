"""Keeps programs running in the foreground: starts, tells, restarts, and stops them in order.

No threads and no child watcher: children are polled, their pipes are read by the loop. Linux ties a child's
death signal to the thread that forked it: a child forked by another thread than the main one would die early.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from desk import children, guardian
from desk.children import Child
from desk.core.restart import StopAll, after_death, ending
from desk.programs import Program

TICK = 0.1  # seconds between looks at the children
Tell = Callable[[str, str], None]


class Supervisor:
    """Runs programs until it is told to stop; `tell(name, line)` gets every line of theirs and ours."""

    def __init__(self, environment: Mapping[str, str], tell: Tell) -> None:
        self._environment = environment
        self._tell = tell
        self._running: dict[str, Child] = {}
        self._due: dict[str, tuple[float, Program, int]] = {}
        self._guardian: subprocess.Popen[bytes] | None = None
        self._ending = False
        self.code = 0
        self.stop = asyncio.Event()
        self.in_a_hurry = False

    def __enter__(self) -> Supervisor:
        self._guardian = subprocess.Popen(
            [sys.executable, "-S", "-E", str(Path(guardian.__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._guardian is not None and self._guardian.stdin is not None:
            with contextlib.suppress(OSError):
                self._guardian.stdin.close()
            self._guardian.wait()

    def lives(self, name: str) -> bool:
        """Whether the program `name` runs now."""
        return name in self._running

    def start(self, program: Program, deaths: int = 0) -> None:
        """Start `program` now."""
        child = children.start(program, self._environment, deaths)
        self._running[program.name] = child
        self._list("+", child)
        asyncio.get_running_loop().add_reader(child.output.fileno(), self._read, child)

    async def watch(self) -> None:
        """Look after the children until `stop` is set."""
        while not self.stop.is_set():
            self._look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self.stop.wait()

    async def end(self, order: Sequence[str] = ()) -> None:
        """Stop all, in the order of names given and then the rest, each within its grace."""
        self._ending = True
        self._due.clear()
        named = [name for name in order if name in self._running]
        for name in [*named, *(name for name in self._running if name not in named)]:
            await self._end_one(self._running[name])
        self._running.clear()

    def hurry(self) -> None:
        """Kill everything now: somebody pressed Ctrl-C twice."""
        self.in_a_hurry = True
        for child in self._running.values():
            children.send(child, signal.SIGKILL)

    def _look(self) -> None:
        for child in [one for one in self._running.values() if children.ended(one)]:
            self._bury(child)
        now = time.monotonic()
        for name in [name for name, (when, _, _) in self._due.items() if when <= now]:
            _, program, deaths = self._due.pop(name)
            self.start(program, deaths)

    def _bury(self, child: Child) -> None:
        self._forget(child)
        if self._ending:
            return
        code, lived = child.process.returncode, time.monotonic() - child.started
        found = after_death(code, lived, child.deaths)
        if isinstance(found, StopAll):
            self._tell(child.program.name, "cannot run as it is configured; everything stops")
            self.code = found.code
            self.stop.set()
            return
        self._tell(child.program.name, f"ended ({ending(code)}); starts again in {found.pause:g} s")
        self._due[child.program.name] = (time.monotonic() + found.pause, child.program, found.deaths)

    def _forget(self, child: Child) -> None:
        # Its own children may outlive it (gunicorn's workers do, for a second): the group ends with it, and
        # before it is reaped, because afterwards the number of the group may belong to somebody else.
        children.send(child, signal.SIGKILL)
        child.process.wait()
        while self._read(child):
            pass
        self._close(child)
        self._list("-", child)
        if self._running.get(child.program.name) is child:
            del self._running[child.program.name]

    def _read(self, child: Child) -> bool:
        if child.output.closed:
            return False
        read = children.read_lines(child, lambda line: self._tell(child.program.name, line))
        if read is False:
            self._close(child)
        return bool(read)

    def _close(self, child: Child) -> None:
        if not child.output.closed:
            asyncio.get_running_loop().remove_reader(child.output.fileno())
            child.output.close()

    async def _end_one(self, child: Child) -> None:
        child.stopping = True
        children.send(child, signal.SIGKILL if self.in_a_hurry else signal.SIGTERM)
        deadline = time.monotonic() + child.program.grace
        while not children.ended(child):
            if time.monotonic() > deadline and not self.in_a_hurry:
                self._tell(child.program.name, f"did not end within {child.program.grace:g} s and is killed")
                children.send(child, signal.SIGKILL)
                deadline = float("inf")
            await asyncio.sleep(0.02)
        self._forget(child)

    def _list(self, sign: str, child: Child) -> None:
        if self._guardian is None or self._guardian.stdin is None:
            return
        with contextlib.suppress(OSError):
            os.write(self._guardian.stdin.fileno(), f"{sign}{child.process.pid}\n".encode())
