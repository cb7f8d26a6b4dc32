"""A facade with its backends as processes of their own, and what its admin port tells of it."""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tools.servers import free_port
from tools.servers.process import Process, wait_until

_ATTEMPTS = 5  # a port that was free a moment ago may have been taken by somebody else's process
_PLAN = """[legacy]
url = "{legacy}"
[services.catalog]
url = "{service}"
[evidence]
demo = true
[facade]
port = {port}
admin_port = {admin}
{facade_lines}
[slices.shop]
owner = "bench"
service = "catalog"
data = "none"
[[slices.shop.routes]]
name = "show"
match = "GET /api/products/{{id:int}}"
mirror = true
effects_free = true
"""


class Front:
    """A running facade."""

    def __init__(self, home: Path, legacy: str, service: str, facade_lines: str = "") -> None:
        """Not started; its plan is in `home`."""
        self.home = home
        self.plan = home / "plan.toml"
        self.port, self.admin = free_port(), free_port()
        self._process: Process | None = None
        self.plan.write_text(
            _PLAN.format(
                legacy=legacy, service=service, port=self.port, admin=self.admin, facade_lines=facade_lines
            ),
            encoding="utf-8",
        )

    def start(self, workers: int, environment: Mapping[str, str]) -> Process:
        """Start it, and wait until it is ready."""
        command = [sys.executable, "-m", "facade", str(self.plan), "--workers", str(workers)]
        process = Process(command, log=self.home / "facade.log", environment=environment, directory=self.home)
        self._process = process.start()
        process.wait_for_http(f"http://127.0.0.1:{self.admin}/readyz")
        return process

    def signal(self, number: int) -> None:
        """Send a signal to its supervisor."""
        assert self._process is not None
        self._process.signal(number)  # type: ignore[arg-type]

    def log(self) -> str:
        """All that it has written."""
        return (self.home / "facade.log").read_text("utf-8")

    def workers(self, state: str = "serving") -> list[int]:
        """The process ids of its workers in this state."""
        told = json.loads(self._page("/readyz"))
        return [one["pid"] for one in told["workers"] if one["state"] == state]

    def metrics(self) -> dict[str, float]:
        """Every sample of its metrics, by name and labels."""
        lines = self._page("/metrics").splitlines()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line[:1] != "#"}

    def metric(self, *parts: str) -> float:
        """The sum of the samples in whose name and labels all these parts occur."""
        found = self.metrics().items()
        return sum(value for name, value in found if all(part in name for part in parts))

    def _page(self, path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=10) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:  # not ready, and it says why
            with error:
                return error.read().decode()


@contextmanager
def front(
    home: Path,
    legacy: str,
    *,
    service: str = "http://127.0.0.1:9",
    workers: int = 1,
    environment: Mapping[str, str] | None = None,
    facade_lines: str = "",
) -> Iterator[Front]:
    """A facade that runs for the length of the block and had no defect."""
    home.mkdir(parents=True, exist_ok=True)
    surroundings = {"PYTHONPATH": str(Path(__file__).parents[2]), **(environment or {})}
    for left in reversed(range(_ATTEMPTS)):
        found = Front(home, legacy, service, facade_lines)
        try:
            process = found.start(workers, surroundings)
            break
        except RuntimeError as error:
            if not left or "another process does" not in str(error):
                raise
    try:
        yield found
    finally:
        process.terminate()
    if '"event": "defect"' in found.log():
        raise AssertionError(found.log()[-4000:])


@contextmanager
def backend(home: Path, **options: object) -> Iterator[str]:
    """The backend of `backend.py` with these options; its URL."""
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    script = str(Path(__file__).with_name("backend.py"))
    with serving(home, lambda port: [sys.executable, script, port, *words]) as url:
        yield url


@contextmanager
def serving(home: Path, command: Any, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """A process that listens on the port that `command(port)` is given; its URL."""
    home.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        port = free_port()
        words: Sequence[str | Path] = command(str(port))
        log = home / f"backend-{port}.log"
        process = stack.enter_context(Process(words, log=log, environment=environment, directory=home))
        process.wait_for_port(port)
        yield f"http://127.0.0.1:{port}"


def patiently(what: str, holds: Any, within: float = 30.0) -> float:
    """Wait until `holds()`; how many seconds it took."""
    began = time.monotonic()
    wait_until(what, holds, within=within, every=0.05)
    return time.monotonic() - began


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0..1) of the values lie; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def ms(seconds: float) -> float:
    """Milliseconds, as they are printed."""
    return round(seconds * 1000, 1)
