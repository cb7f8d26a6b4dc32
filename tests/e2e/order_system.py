"""The slice `orders` of the sample shop, grown up or embedded: each part a process, moved by the CLI."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
from sqlalchemy import make_url

from tests.e2e.system import REPO, STRANGLER, Said, eventually
from tools.servers.process import Process, free_port

WORD = {"WHOAMI_SECRET": "for this test only"}
NEIGHBOURS = "for this test only, too"
PRODUCTS, SEEDED = 100, 60
_ROLES = {
    "legacy": {"shop": "ALL", "rogue": "SELECT, INSERT, UPDATE"},
    "extracted": {"order_service": "ALL"},
}


def plain(url: str, user: str | None = None) -> str:
    """The address as psycopg takes it, for another role if one is named."""
    where = make_url(url).set(drivername="postgresql")
    return (where.set(username=user) if user else where).render_as_string(hide_password=False)


class OrderSystem:
    """Monolith, order service, facade and two `run sync`; on SQLite files, or on databases of one server."""

    def __init__(
        self, home: Path, make_database: Callable[[], str] | None = None, customers: int = 8
    ) -> None:
        self.home, self.customers = home, customers
        self.grown = make_database is not None
        made = make_database or (lambda: "")
        self.legacy = made() or f"sqlite:///{home}/shop.db"
        self.extracted = made() or f"sqlite:///{home}/orders.db"
        self.ledger = made() or "sqlite:///.strangler/ledger.db"
        self.ports = {name: free_port() for name in ("facade", "admin", "legacy", "orders")}
        self.environment = {**os.environ, **WORD, "NO_COLOR": "1", "PYTHONPATH": str(REPO)}
        self.processes: dict[str, Process] = {}
        shutil.copytree(REPO / "slices", home / "slices")
        (home / "plan.toml").write_text(self._plan(), encoding="utf-8")

    def _plan(self) -> str:
        return f"""include = ["slices/orders.toml"]
[legacy]
url = "http://127.0.0.1:{self.ports["legacy"]}"
build_header = "X-Build"
trusted_hops = 1
database = "{self.legacy}"
[services.orders]
url = "http://127.0.0.1:{self.ports["orders"]}"
timeout = "5s"
build_header = "X-Build"
database = "{self.extracted}"
[identity]
cookie = "shop_session"
introspect = "/internal/whoami"
secret = "env:WHOAMI_SECRET"
services = ["orders"]
[key]
source = "cookie:mint"
[flags]
source = "file:.strangler/flags.json"
[ledger]
url = "{self.ledger}"
[evidence]
url = "sqlite:///.strangler/evidence.db"
[facade]
port = {self.ports["facade"]}
admin_port = {self.ports["admin"]}
"""

    @property
    def url(self) -> str:
        """Where customers go."""
        return f"http://127.0.0.1:{self.ports['facade']}"

    # -- before it runs ----------------------------------------------------------------------------

    def prepare(self) -> None:
        """Seed the shop, make the service's tables, install capture, and bring everything over."""
        sizes = ("--products", PRODUCTS, "--customers", self.customers, "--orders", SEEDED)
        self.run("legacy_monolith", "seed", "--database", self.legacy, *map(str, sizes))
        self.run("extracted.orders", "create-schema", "--database", self.extracted)
        if self.grown:
            self._make_roles()
        self.strangler("flags", "init")
        self.strangler("capture", "install", "orders")
        self.strangler("backfill", "orders")
        self.strangler("verify", "orders")

    def _make_roles(self) -> None:
        """The applications' own, which own nothing: whoever owns a table could switch its fence off."""
        for side, roles in _ROLES.items():
            with psycopg.connect(plain(self._database(side)), autocommit=True) as server:
                for role, rights in roles.items():
                    for statement in (
                        f"DO $$BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN END$$",
                        f"GRANT {rights} ON ALL TABLES IN SCHEMA public TO {role}",
                        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
                    ):
                        server.execute(statement.encode())

    def _database(self, side: str) -> str:
        return self.legacy if side == "legacy" else self.extracted

    def _application(self, side: str) -> str:
        """The database as the application is told of it."""
        if not self.grown:
            return self._database(side)
        user = next(iter(_ROLES[side]))
        return make_url(self._database(side)).set(username=user).render_as_string(hide_password=False)

    def run(self, module: str, *words: str, code: int | None = 0) -> Said:
        """A program of the sample's to its end."""
        done = subprocess.run(
            [sys.executable, "-m", module, *words], cwd=self.home, env=self.environment,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert code is None or done.returncode == code, f"{module} {words}: {done.stdout}\n{done.stderr}"
        return Said(done.returncode, done.stdout, done.stderr)

    def nightly(self, side: str, code: int = 0) -> Said:
        """What cron starts on a side."""
        module = "legacy_monolith" if side == "legacy" else "extracted.orders"
        return self.run(module, "nightly", "--database", self._application(side), code=code)

    # -- its processes -----------------------------------------------------------------------------

    def start(self, *names: str) -> None:
        """Start these and wait until each serves."""
        for name in names:
            self.processes[name] = Process(
                self._command(name), log=self.home / f"{name}.log", directory=self.home,
                environment=self._environment(name),
            ).start()  # fmt: skip
        for name in names:
            if probe := self._probe(name):
                self.processes[name].wait_for_http(probe)

    def start_all(self) -> None:
        """In the order in which a person would."""
        self.start("legacy", "facade")
        self.start("orders", "sync 1", "sync 2")

    def _command(self, name: str) -> list[str]:
        port = ("--port", str(self.ports.get(name, 0)))
        if name == "legacy":
            database = self._application("legacy")
            return [sys.executable, "-m", "legacy_monolith", "run", *port, "--database", database]
        if name == "orders":
            database = self._application("extracted")
            return [sys.executable, "-m", "extracted.orders", "run", *port, "--database", database]
        words = ("facade", "--workers", "2") if name == "facade" else ("sync",)
        return [*STRANGLER, "--plan", str(self.home / "plan.toml"), "run", *words]

    def _environment(self, name: str) -> dict[str, str]:
        told = {
            "legacy": {
                "TRUSTED_HOPS": "1",
                "SHOP_MEDIA": str(self.home / "media"),
                "SHOP_WHOAMI_SECRET": WORD["WHOAMI_SECRET"],
                "SHOP_INTERNAL_SECRET": NEIGHBOURS,
            },
            "orders": {
                "ORDERS_LEGACY_URL": f"http://127.0.0.1:{self.ports['legacy']}",
                "ORDERS_CATALOG_URL": self.url,
                "ORDERS_LEGACY_SECRET": NEIGHBOURS,
                "ORDERS_IDENTITY_KEYS": f"http://127.0.0.1:{self.ports['admin']}/jwks.json",
            },
        }
        return {**self.environment, **told.get(name, {})}

    def _probe(self, name: str) -> str:
        paths = {"legacy": ("legacy", "/healthz"), "orders": ("orders", "/readyz")} | {
            "facade": ("admin", "/readyz")
        }
        if name not in paths:
            return ""
        port, path = paths[name]
        return f"http://127.0.0.1:{self.ports[port]}{path}"

    def kill(self, name: str) -> None:
        """SIGKILL a process with everything below it."""
        self.processes.pop(name).kill9()

    def leader(self) -> str:
        """Which of the two `run sync` relays."""
        said = json.loads((self.home / ".strangler" / "sync-orders.json").read_text("utf-8"))
        for name in ("sync 1", "sync 2"):
            if self.processes[name].pid == said["pid"]:
                return name
        return "sync 1"

    def workers(self) -> list[int]:
        """The process ids of the facade's workers."""
        found = httpx.get(f"http://127.0.0.1:{self.ports['admin']}/readyz", timeout=5).json()["workers"]
        return [one["pid"] for one in found]

    def kill_worker_of(self, name: str) -> None:
        """SIGKILL a child of this process; it has to replace it."""
        pid = self.processes[name].pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)

    def stop(self) -> None:
        """End everything."""
        for name in ("sync 1", "sync 2", "facade", "orders", "legacy"):
            if name in self.processes:
                self.processes.pop(name).terminate()

    # -- its commands ------------------------------------------------------------------------------

    def strangler(self, *words: str, code: int | None = 0) -> Said:
        """Type a command; `code` is the exit code it must have (None: any)."""
        done = subprocess.run(
            [*STRANGLER, "--plan", str(self.home / "plan.toml"), *words], cwd=self.home,
            env=self.environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        assert code is None or done.returncode == code, f"{words}: {done.stdout}\n{done.stderr}"
        return Said(done.returncode, done.stdout, done.stderr)

    def start_flip(self, *words: str) -> subprocess.Popen[str]:
        """`strangler flip orders …`, while something else happens."""
        return subprocess.Popen(
            [*STRANGLER, "--plan", str(self.home / "plan.toml"), "flip", "orders", *words, "--json"],
            cwd=self.home, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def status(self) -> dict[str, Any]:
        """The slice as `sync status` tells it."""
        found: dict[str, Any] = self.strangler("sync", "status", "--json").json["slices"][0]
        return found

    def settle(self, within: float = 60.0) -> dict[str, Any]:
        """Until nothing is pending; the status then."""

        def settled() -> dict[str, Any] | None:
            seen = self.status()
            return seen if seen["pending"] == 0 and seen["situation"] == "steady" else None

        found: dict[str, Any] = eventually("nothing is pending", settled, within=within, show=self.status)
        return found

    def clerks(self, folder: Path, clients: int, rate: float) -> Process:
        """Customers, an admin, and on PostgreSQL a rogue; they write from now on."""
        command = [
            *(sys.executable, "-m", "tests.e2e.order_clerks", "--url", self.url, "--folder", str(folder)),
            *("--clients", str(clients), "--rate", str(rate)),
        ]
        if self.grown:
            command += ["--rogue", plain(self.legacy, "rogue") + "?application_name=psql"]
        return Process(command, log=self.home / "clerks.log", directory=REPO).start()

    def alive(self) -> bool:
        """Whether an order can be looked for at all: the whole way through the facade."""
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/api/products/1", timeout=2).status_code == 200
        return False


def wait_until_neither_is_open(legacy: str, extracted: str, within: float) -> bool:
    """Watch both databases directly: the moment in the middle of a flip; False when it does not come."""
    end = time.monotonic() + within
    query = b"SELECT phase = 'open' FROM sf.authority WHERE slice = 'orders'"
    with (
        psycopg.connect(plain(legacy), autocommit=True) as there,
        psycopg.connect(plain(extracted), autocommit=True) as here,
    ):
        while time.monotonic() < end:
            if not any(row[0] for line in (there, here) for row in line.execute(query).fetchall()):
                return True
    return False
