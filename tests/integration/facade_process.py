"""Builders for the facade's tests: a facade and a backend as processes of their own, a ledger, flags."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migration.adapters.flag_writer_file import FlagFileWriter
from migration.bootstrap import open_ledger
from migration.core.stages import ReadStage
from migration.ports import AuditEntry
from tests.integration.facade_bench import RawUpstream, ok, until
from tools.servers.ports import free_port

ROOT = Path(__file__).parents[2]
SHOW = "catalog.show_product"
LIST = "catalog.list_products"
FAST = {
    "STRANGLER_FACADE_LINGER": "0.5",
    "STRANGLER_FACADE_DRAIN": "5",
    "STRANGLER_FACADE_LAST_ANSWER": "0.3",
    "STRANGLER_FACADE_RELOAD_POLL": "0.1",
}


PLAN = """
[legacy]
url = "{legacy}"
{legacy_extra}
[services.catalog]
url = "{service}"
timeout = "{timeout}"
{service_extra}
[key]
source = "{key}"
[flags]
source = "file:.strangler/flags.json"
poll = "200ms"
stale_after = "{stale_after}"
[facade]
port = {port}
admin_port = {admin_port}
{facade_extra}
[slices.catalog]
owner = "team"
service = "catalog"
data = "import"
[[slices.catalog.routes]]
name = "show_product"
match = "GET /api/products/{{id:int}}"
mirror = true
{route_extra}
[[slices.catalog.routes]]
name = "list_products"
match = "GET /api/products"
[[slices.catalog.routes]]
name = "staff"
match = "GET /api/staff"
visibility = "internal"
"""


@dataclass
class Running:
    """A facade process and what surrounds it."""

    directory: Path
    port: int
    admin_port: int
    process: subprocess.Popen[bytes]

    @property
    def token(self) -> str:
        """The admin token."""
        return (self.directory / ".strangler" / "admin-token").read_text("ascii").strip()

    @property
    def ledger_url(self) -> str:
        """The ledger's URL."""
        return f"sqlite:///{self.directory}/.strangler/ledger.db"

    @property
    def flags_file(self) -> Path:
        """The flag file."""
        return self.directory / ".strangler" / "flags.json"

    def log(self) -> str:
        """What it wrote to stderr."""
        return (self.directory / "facade.log").read_text("utf-8")

    def workers(self, state: str = "serving") -> list[int]:
        """The process ids of its workers in this state, in the order of their places."""
        return [one["pid"] for one in self.ready()["workers"] if one["state"] == state]

    def rss(self) -> int:
        """Bytes of memory that its workers use."""
        statms = [Path(f"/proc/{pid}/statm").read_text("ascii") for pid in self.workers()]
        return sum(int(statm.split()[1]) for statm in statms) * os.sysconf("SC_PAGESIZE")

    def admin(self, path: str, *, token: str | None = None) -> tuple[int, str]:
        """Status and text of a page of the admin port."""
        asked = urllib.request.Request(f"http://127.0.0.1:{self.admin_port}{path}")
        if token is not None:
            asked.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(asked, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, name: str) -> float:
        """The value of a sample, or the sum of those whose name and labels begin so; 0 without any."""
        lines = self.admin("/metrics")[1].splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    def ready(self) -> dict[str, Any]:
        """What /readyz says."""
        found: dict[str, Any] = json.loads(self.admin("/readyz")[1])
        return found

    def stop(self, number: int = signal.SIGTERM, timeout: float = 15.0) -> int:
        """Signal it and wait for its end."""
        self.process.send_signal(number)
        return self.process.wait(timeout)

    def move(self, route: str, stage: ReadStage, pct: int = 0, mirror: int = 0) -> None:
        """Write a route's row as the conductor would."""
        set_row(self.ledger_url, route, stage, pct, mirror)

    def flag(self, route: str, pct: int, shadow: int = 0) -> None:
        """Write a route's two flags as a person would."""
        set_flags(self.flags_file, route, pct, shadow)

    def serves(self, route: str, stage: ReadStage, pct: int, mirror: int = 0) -> None:
        """Move a route, by ledger and flags, and wait until the facade knows."""
        self.flag(route, pct, mirror)
        self.move(route, stage, pct, mirror)
        until(lambda: self.knows(route, stage, pct), f"{route} at {stage} {pct} %")

    def knows(self, route: str, stage: ReadStage, pct: int) -> bool:
        """Whether the saved state has this row, and fresh flags with it, and all workers took them."""
        state = self.directory / ".strangler" / "facade-state.json"
        if not state.exists() or self.ready()["flags"]["stale"]:
            return False
        saved = json.loads(state.read_text("utf-8"))
        rows = {row["route"]: row for row in saved["routes"]}
        flags = json.dumps(saved["flags"])
        row = rows.get(route, {})
        return (
            row.get("stage") == stage.value
            and row.get("cap_pct") == pct
            and f'"strangler.{route}"' in flags
            and json.loads(self.flags_file.read_text("utf-8")) == saved["flags"]["document"]
            and all(one["behind"] == 0 for one in self.ready()["workers"])
        )


def set_row(url: str, route: str, stage: ReadStage, pct: int, mirror: int = 0) -> None:
    """Write a row of the ledger."""
    ledger = open_ledger(url, create=True)
    try:
        ledger.ensure([route])
        ledger.change(
            route,
            ledger.routes()[route].version,
            stage=stage,
            cap_pct=pct,
            applied_pct=pct,
            mirror_pct=mirror,
            hold=False,
            hold_reason="",
            audit=AuditEntry("test", "shift", "a test", time.time()),
        )
    finally:
        ledger.close()


def set_flags(file: Path, route: str, pct: int, shadow: int = 0) -> None:
    """Write the two flags of a route."""

    async def write() -> None:
        writer = FlagFileWriter(file)
        await writer.set_rollout(f"strangler.{route}", pct)
        await writer.set_rollout(f"strangler.{route}.shadow", shadow)
        await writer.close()

    asyncio.run(write())


def write_plan(directory: Path, legacy: str, service: str, **changes: Any) -> tuple[int, int]:
    """Write a plan; returns the facade's two ports."""
    values = {
        "legacy": legacy, "service": service, "timeout": "2s", "key": "cookie:mint", "stale_after": "15s",
        "legacy_extra": "", "service_extra": "", "facade_extra": "", "route_extra": "",
        "port": free_port(), "admin_port": free_port(), **changes,
    }  # fmt: skip
    (directory / "plan.toml").write_text(PLAN.format(**values), "utf-8")
    return int(values["port"]), int(values["admin_port"])


def start_facade(
    directory: Path, ports: tuple[int, int], env: dict[str, str] | None = None, workers: int = 1,
    python: Path | None = None,
) -> Running:  # fmt: skip
    """Start a facade on the plan in `directory` (`python` has it installed), and wait until it is ready."""
    apart = {"PYTHONSAFEPATH": "1", "PYTHONPATH": ""} if python else {}
    with (directory / "facade.log").open("ab") as log:
        process = subprocess.Popen(
            [python or sys.executable, "-m", "facade", directory / "plan.toml", "--workers", str(workers)],
            cwd=ROOT,
            env={**os.environ, **FAST, **apart, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    running = Running(directory, *ports, process)
    try:
        until(lambda: process.poll() is not None or _listens(running), "the facade to listen")
        assert process.poll() is None, running.log()
    except BaseException:
        process.kill()
        process.wait(10)
        raise
    return running


def _listens(running: Running) -> bool:
    with contextlib.suppress(OSError):
        return running.admin("/readyz")[0] == 200
    return False


@contextlib.contextmanager
def facade(
    directory: Path,
    legacy: str,
    service: str = "http://127.0.0.1:9",
    *,
    env: dict[str, str] | None = None,
    workers: int = 1,
    **plan: Any,
) -> Iterator[Running]:
    """A running facade; it is ended, and must have had no defect."""
    running = start_facade(directory, write_plan(directory, legacy, service, **plan), env, workers)
    try:
        yield running
        assert '"event": "defect"' not in running.log(), running.log()
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait(10)


Sides = tuple[RawUpstream, RawUpstream]


@contextlib.contextmanager
def two_sides() -> Iterator[Sides]:
    """Legacy and service, each of which answers everything with its side's name."""
    with (
        RawUpstream(lambda _g, _s: ok(b"legacy")) as legacy,
        RawUpstream(lambda _g, _s: ok(b"extracted")) as service,
    ):
        yield legacy, service


@contextlib.contextmanager
def live(directory: Path, sides: Sides, **plan: Any) -> Iterator[Running]:
    """A running facade whose route SHOW is live; keys come in X-Key."""
    with facade(directory, sides[0].url, sides[1].url, key="header:X-Key", **plan) as front:
        front.serves(SHOW, ReadStage.LIVE, 100)
        yield front
