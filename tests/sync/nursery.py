"""Processes that can be killed, stopped and woken: forked from this one, so that a thousand cost seconds.

Fork while no thread runs and no database is connected: a child opens everything anew, as a new process does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Child:
    """One process; `log` gets what it prints and how it failed."""

    pid: int
    name: str
    status: int | None = None

    @property
    def alive(self) -> bool:
        """Whether it still runs (or is stopped)."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
        return self.status is None

    @property
    def frozen(self) -> bool:
        """Whether it has been stopped by a signal, its own or another's."""
        if not self.alive:
            return False
        # The state follows the name in brackets, which may hold anything: man 5 proc.
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def kill9(self) -> None:
        """SIGKILL, and wait for its end."""
        self._send(signal.SIGKILL)
        self.wait()

    def sigstop(self) -> None:
        """Freeze it."""
        self._send(signal.SIGSTOP)

    def sigcont(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def term(self) -> None:
        """Ask it to end, and wait."""
        self._send(signal.SIGTERM)
        self.wait()

    def wait(self, within: float = 30.0) -> int:
        """Its wait status; it is killed when it does not end in time."""
        end = time.monotonic() + within
        while self.alive and time.monotonic() < end:
            time.sleep(0.002)
        if self.alive:
            self._send(signal.SIGKILL)
            _, self.status = os.waitpid(self.pid, 0)
        assert self.status is not None
        return self.status

    @property
    def killed(self) -> bool:
        """Whether it ended by SIGKILL (its own hand counts)."""
        return self.status is not None and os.WIFSIGNALED(self.status)

    @property
    def failed(self) -> bool:
        """Whether it ended by an error of its own."""
        return self.status is not None and os.WIFEXITED(self.status) and os.WEXITSTATUS(self.status) != 0

    def _send(self, number: int) -> None:
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def spawn(name: str, work: Callable[[], None], log: str) -> Child:
    """Fork a process that runs `work` and ends; an exception is written to `log` and ends it with 1."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Child(pid, name)
    code = 1
    try:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")  # pytest has put its own there
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - it is a process of its own: whatever happened is in its log
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


@dataclass(slots=True)
class At:
    """A step hook that ends or freezes its own process at the nth time that it comes to `step`."""

    step: str
    times: int = 1
    signal: int = signal.SIGKILL
    seen: dict[str, int] = field(default_factory=dict)

    def __call__(self, step: str) -> None:
        """Called by the code under test at each of its steps."""
        self.seen[step] = self.seen.get(step, 0) + 1
        if step == self.step and self.seen[step] == self.times:
            os.kill(os.getpid(), self.signal)
            # SIGSTOP: here it goes on when it is woken. SIGKILL: nothing comes after.
