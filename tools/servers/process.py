"""One process under test: started, awaited, killed, stopped and resumed; never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import httpx

from tools.servers.guard import Guard
from tools.servers.ports import free_port

__all__ = ["REPO", "Process", "free_port", "lives", "wait_until"]

REPO = Path(__file__).resolve().parents[2]


def wait_until(what: str, holds: Callable[[], object], *, within: float, every: float = 0.02) -> None:
    """Return once `holds()` is true; TimeoutError that says `what` after `within` seconds."""
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within:g} s: {what}")
        time.sleep(every)


class Process:
    """A command with its log in a file; `with Process(…) as it:` ends it, and a dead parent ends it too."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        last_word: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.command = [str(part) for part in command]
        self.log_file = log
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._directory = directory or REPO
        self._last_word = last_word
        self._popen: subprocess.Popen[bytes] | None = None
        self._stopped: list[int] = []

    # -- its life ----------------------------------------------------------------------------------

    def start(self) -> Process:
        """Start it, in a session of its own, so that Ctrl-C at the tests does not reach it first."""
        with self.log_file.open("ab") as log:
            self._popen = self._start(log)
        Guard.of_this_process().watch(self._popen.pid)
        return self

    def _start(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command,
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def terminate(self, within: float = 15) -> int:
        """Ask it to end, and kill it when it does not; its exit code (0 when it was not running)."""
        if self._popen is None:
            return 0
        self.sigcont()
        self.signal(self._last_word)
        try:
            self._popen.wait(within)
        except subprocess.TimeoutExpired:
            return self.kill9()
        return self._gone()

    def kill9(self) -> int:
        """SIGKILL it and every process below it, and wait until all are gone; its exit code."""
        if self._popen is None:
            return 0
        below = list(_descendants(self._popen.pid))
        for pid in (self._popen.pid, *below):
            _send(pid, signal.SIGKILL)
        self._popen.wait(10)
        wait_until(f"the end of {below}", lambda: not any(map(lives, below)), within=10)
        return self._gone()

    def _gone(self) -> int:
        assert self._popen is not None
        process, self._popen = self._popen, None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # what it left in its group
        Guard.of_this_process().forget(process.pid, *self._stopped)
        self._stopped = []
        return int(process.returncode)

    def sigstop(self) -> None:
        """Freeze it with every process below it: sockets stay open, nobody answers."""
        self._stopped = [self.pid, *_descendants(self.pid)]
        # A stopped child may lead a group of its own (PostgreSQL's do): the guard must know it by name.
        Guard.of_this_process().watch(*self._stopped)
        for pid in self._stopped:
            _send(pid, signal.SIGSTOP)

    def sigcont(self) -> None:
        """Let it go on."""
        stopped, self._stopped = self._stopped, []
        for pid in stopped:
            _send(pid, signal.SIGCONT)
        Guard.of_this_process().forget(*stopped[1:])

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        _send(self.pid, number)

    def __enter__(self) -> Process:
        return self.start() if self._popen is None else self

    def __exit__(self, *_: object) -> None:
        self.terminate()

    # -- what can be seen of it --------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._popen is not None, f"{self.command[0]} is not running"
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def stopped(self) -> bool:
        """Whether it is frozen by `sigstop`."""
        return bool(self._stopped)

    def log(self, last: int = 4000) -> str:
        """The end of what it has written."""
        with contextlib.suppress(FileNotFoundError):
            return self.log_file.read_text(encoding="utf-8", errors="replace")[-last:]
        return ""

    # -- waiting for it ----------------------------------------------------------------------------

    def wait_for_port(self, port: int, within: float = 60) -> None:
        """Return once 127.0.0.1:`port` accepts."""

        def accepts() -> bool:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
            return False

        self.wait_until(f"a listener on port {port}", accepts, within)

    def wait_for_line(self, text: str, within: float = 60) -> None:
        """Return once its log holds `text`."""
        self.wait_until(f"a line with {text!r}", lambda: text in self.log(1_000_000), within)

    def wait_for_http(self, url: str, within: float = 60) -> None:
        """Return once a GET of `url` is answered with a status below 400."""

        def answers() -> bool:
            with contextlib.suppress(httpx.HTTPError):
                return httpx.get(url, timeout=2).status_code < 400
            return False

        self.wait_until(f"an answer from {url}", answers, within)

    def wait_until(self, what: str, holds: Callable[[], object], within: float) -> None:
        """Like `wait_until`, but fails at once, with the log, when the process ends."""

        def holds_or_died() -> bool:
            if not self.running:
                raise RuntimeError(f"{self.command[0]} ended before {what}:\n{self.log()}")
            return bool(holds())

        try:
            wait_until(what, holds_or_died, within=within)
        except TimeoutError as late:
            raise TimeoutError(f"{late}; {self.command[0]} said:\n{self.log()}") from None


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def lives(pid: int) -> bool:
    """Whether it runs; a zombie that its new parent has not reaped yet does not."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return done.stdout.strip() != "" and not done.stdout.startswith("Z")


def _descendants(pid: int) -> Iterator[int]:
    """Every process below `pid` (Linux; elsewhere none are found, and the group has to do)."""
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield int(child)
                yield from _descendants(int(child))
