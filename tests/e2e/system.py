"""The whole system, started as its user starts it and spoken to through its public doors alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tools.servers.process import Process, free_port

REPO = Path(__file__).parents[2]
STRANGLER = [sys.executable, "-m", "desk"]
ROUTES = ("show_product", "list_products", "list_categories", "show_category", "search_products")


@dataclass(frozen=True)
class Backend:
    """What the system stands on: the embedded default, or the servers a grown installation has."""

    name: str
    legacy_database: str | None = None  # None: SQLite files in the system's home
    catalog_database: str | None = None
    ledger: str = "sqlite:///.strangler/ledger.db"
    evidence: str = "sqlite:///.strangler/evidence.db"
    flags: str = "file:.strangler/flags.json"
    flag_lines: str = ""
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Said:
    """What a command of ours said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its standard output as JSON."""
        return json.loads(self.out)


def eventually(
    what: str,
    holds: Callable[[], Any],
    *,
    within: float,
    every: float = 0.05,
    show: Callable[[], Any] | None = None,
) -> Any:
    """Wait until `holds()` is true and return what it gave; fail with `what` when it does not come."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if result := holds():
            return result
        time.sleep(every)
    detail = f"; last seen: {show()}" if show else ""
    raise AssertionError(f"not within {within:g} s: {what}{detail}")


class System:
    """Legacy, catalog, facade, shadow and conductor in one home folder, each a process of its own."""

    def __init__(
        self,
        home: Path,
        backend: Backend,
        *,
        products: int = 500,
        p0: str = "1%",
        session_idle: str = "1s",
        route_lines: str = "",
        catalog_via: str | None = None,
        legacy_via: str | None = None,
    ) -> None:
        self.home = home
        self.backend = backend
        self.products = products
        self.processes: dict[str, Process] = {}
        self.ports = {name: free_port() for name in ("facade", "admin", "legacy", "catalog")}
        self.environment = {**os.environ, **backend.environment, "NO_COLOR": "1", "PYTHONPATH": str(REPO)}
        home.mkdir(parents=True, exist_ok=True)
        self.write_plan(p0, session_idle, route_lines, catalog_via, legacy_via)

    # -- its files ---------------------------------------------------------------------------------

    def write_plan(
        self,
        p0: str = "1%",
        session_idle: str = "1s",
        route_lines: str = "",
        catalog_via: str | None = None,
        legacy_via: str | None = None,
    ) -> None:
        """The sample's own slice under a head of this test's ports and servers."""
        (self.home / "slices").mkdir(exist_ok=True)
        slice_text = (REPO / "slices" / "catalog.toml").read_text(encoding="utf-8")
        # A copy here, not kept in step: these stories are of reads alone, without capture and its processes.
        before, _, rest = slice_text.partition('data = "sync"')
        slice_text = (
            f'{before}data = "import"\n\n[[slices.catalog.routes]]'
            + rest.split("[[slices.catalog.routes]]", 1)[1]
        )
        if route_lines:
            slice_text = slice_text.replace("mirror = true\n", f"mirror = true\n{route_lines}\n")
        (self.home / "slices" / "catalog.toml").write_text(slice_text, encoding="utf-8")
        self.plan.write_text(
            f"""include = ["slices/*.toml"]
[legacy]
url = "{legacy_via or self.legacy_url}"
build_header = "X-Build"
trusted_hops = 1
[services.catalog]
url = "{catalog_via or self.catalog_url}"
timeout = "2s"
build_header = "X-Build"
[key]
source = "cookie:mint"
[flags]
source = "{self.backend.flags}"
{self.backend.flag_lines}
[ledger]
url = "{self.backend.ledger}"
[evidence]
url = "{self.backend.evidence}"
p0 = "{p0}"
session_idle = "{session_idle}"
min_covered = "0s"
demo = true
[facade]
port = {self.ports["facade"]}
admin_port = {self.ports["admin"]}
""",
            encoding="utf-8",
        )

    @property
    def plan(self) -> Path:
        return self.home / "plan.toml"

    @property
    def legacy_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['legacy']}"

    @property
    def catalog_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['catalog']}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['facade']}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['admin']}"

    @property
    def legacy_database(self) -> str:
        return self.backend.legacy_database or f"sqlite:///{self.home}/shop.db"

    @property
    def catalog_database(self) -> str:
        return self.backend.catalog_database or f"sqlite:///{self.home}/catalog.db"

    @property
    def admin_token(self) -> str:
        return (self.home / ".strangler" / "admin-token").read_text(encoding="utf-8").strip()

    # -- its processes -----------------------------------------------------------------------------

    def seed(self, customers: int = 100, orders: int = 100) -> None:
        """Fill the monolith, then copy the catalog once."""
        self.run(
            "-m", "legacy_monolith", "seed", "--database", self.legacy_database,
            "--products", str(self.products), "--customers", str(customers), "--orders", str(orders),
        )  # fmt: skip
        self.run(
            "-m", "extracted.catalog", "import",
            "--source", self.legacy_database, "--database", self.catalog_database,
        )  # fmt: skip

    def run(self, *arguments: str) -> Said:
        """Run a Python command to its end; it must succeed."""
        done = subprocess.run(
            [sys.executable, *arguments], cwd=self.home, env=self.environment,
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        return Said(done.returncode, done.stdout, done.stderr)

    def start(self, *names: str) -> None:
        """Start these processes and wait until each one serves."""
        for name in names:
            self.processes[name] = Process(
                self._command(name),
                log=self.home / f"{name}.log",
                directory=self.home,
                environment=self._environment(name),
            ).start()
        for name in names:
            self._wait_for(name, self.processes[name])

    def _command(self, name: str) -> list[str]:
        samples = {
            "legacy": ("legacy_monolith", self.legacy_database),
            "catalog": ("extracted.catalog", self.catalog_database),
        }
        if name in samples:
            module, database = samples[name]
            port = str(self.ports[name])
            return [sys.executable, "-m", module, "run", "--port", port, "--database", database]
        return [*STRANGLER, "--plan", str(self.plan), "run", name]

    def _environment(self, name: str) -> dict[str, str]:
        extra = {"TRUSTED_HOPS": "1", "SHOP_MEDIA": str(self.home / "media"), "CATALOG_DEMO": "1"}
        extra |= {"CATALOG_STOCK_URL": self.url}
        return {**self.environment, **(extra if name in ("legacy", "catalog") else {})}

    def _wait_for(self, name: str, process: Process) -> None:
        if name == "shadow":
            process.wait_until("its tap", (self.home / ".strangler" / "tap.sock").exists, within=30)
        probes = {
            "legacy": f"{self.legacy_url}/healthz",
            "catalog": f"{self.catalog_url}/readyz",
            "facade": f"{self.admin_url}/readyz",
        }
        if name in probes:
            process.wait_for_http(probes[name])

    def kill(self, name: str) -> None:
        """SIGKILL a process with everything below it."""
        self.processes.pop(name).kill9()

    def pause(self, name: str) -> None:
        """Freeze a process with everything below it."""
        self.processes[name].sigstop()

    def resume(self, name: str) -> None:
        """Let it go on."""
        self.processes[name].sigcont()

    def stop(self) -> None:
        """End everything, in the order in which a person would."""
        for name in ("facade", "shadow", "conductor", "catalog", "legacy"):
            if name in self.processes:
                self.processes.pop(name).terminate()

    # -- its doors ---------------------------------------------------------------------------------

    def strangler(self, *arguments: str, code: int | None = 0, timeout: float = 60) -> Said:
        """Type a command; `code` is the exit code it must have (None: any)."""
        done = subprocess.run(
            [*STRANGLER, "--plan", str(self.plan), *arguments],
            cwd=self.home, env=self.environment, capture_output=True, text=True, timeout=timeout,
        )  # fmt: skip
        said = Said(done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in said.err, said.err
        if code is not None:
            assert said.code == code, f"strangler {' '.join(arguments)} → {said.code}\n{said.out}\n{said.err}"
        return said

    def report(self, route: str) -> Any:
        """The route's report as its JSON face shows it."""
        said = self.strangler("report", f"catalog.{route}", "--json", code=None)
        assert said.code in (0, 1, 4), said
        return said.json

    def workers(self) -> list[int]:
        """The process ids of the facade's workers, which hold what its users' requests take."""
        found = httpx.get(f"{self.admin_url}/readyz", timeout=5).json()["workers"]
        return [one["pid"] for one in found]

    def metric(self, name: str) -> float:
        """The sum of a metric's series, as the facade's admin port tells it."""
        lines = httpx.get(f"{self.admin_url}/metrics", timeout=5).text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if re.match(rf"{name}[{{ ]", line))

    def faults(self, *active: str) -> None:
        """Switch the planted faults of the catalog."""
        order = ["set", ",".join(active)] if active else ["clear"]
        self.run("-m", "extracted.catalog", "faults", *order, "--url", self.catalog_url)
