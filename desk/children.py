"""One child process: started on its own leash, read line by line, ended in order."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO

from desk.programs import Program

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: between fork and exec only the call itself may happen.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
LONGEST_LINE = 65_536  # bytes: a child that writes no newline must not grow us


def die_with_parent() -> None:
    """Called in a child before it becomes the program: the end of the thread that forked it is its own."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


@dataclass(slots=True)
class Child:
    """A running program; `stopping` once it was told to end, so that its end is no accident."""

    program: Program
    process: subprocess.Popen[bytes]
    started: float
    deaths: int = 0
    stopping: bool = False
    buffer: bytes = b""

    @property
    def output(self) -> IO[bytes]:
        """Its stdout and stderr, in one pipe."""
        if self.process.stdout is None:
            raise ValueError("started without a pipe")
        return self.process.stdout


def start(program: Program, environment: Mapping[str, str], deaths: int = 0) -> Child:
    """Start `program` in a session of its own, so that Ctrl-C reaches it only through us, in order."""
    process = subprocess.Popen(
        program.argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**environment, "PYTHONUNBUFFERED": "1", **program.env},
        start_new_session=True,
        preexec_fn=die_with_parent if _libc is not None else None,
    )
    child = Child(program, process, time.monotonic(), deaths)
    os.set_blocking(child.output.fileno(), False)
    return child


def read_lines(child: Child, tell: Callable[[str], None]) -> bool | None:
    """Tell every complete line there is; True: some were read, None: nothing now, False: the end."""
    try:
        chunk = os.read(child.output.fileno(), LONGEST_LINE)
    except BlockingIOError:
        return None
    *lines, rest = (child.buffer + chunk).split(b"\n")
    if len(rest) > LONGEST_LINE or (rest and not chunk):
        lines, rest = [*lines, rest], b""
    child.buffer = rest
    for line in lines:
        tell(line.decode("utf-8", "replace").rstrip("\r"))
    return bool(chunk)


def ended(child: Child) -> bool:
    """Whether the program ended; it is not reaped yet, so that its process group cannot be anybody else's."""
    if child.process.returncode is not None:
        return True
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return child.process.poll() is not None
    return os.waitid(os.P_PID, child.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def send(child: Child, number: signal.Signals) -> None:
    """Signal the child's whole group; a group that is already gone is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.process.pid, number)
