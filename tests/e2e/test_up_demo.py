"""Given the first command that anybody types, when it is ended in whatever way, then nothing of it stays."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.system import REPO, STRANGLER, eventually
from tools.servers.process import Process, free_port

pytestmark = pytest.mark.slow
PORTS = (8000, 8001, 5001, 5002, 5003)  # as the sample's plan has them; each demo gets its own
PARTS = (
    *("legacy_monolith", "extracted.catalog", "extracted.orders", "desk.demo"),
    *("run facade", "run shadow", "run conductor", "run sync"),
)
MARK = "STRANGLER_TEST_OF"


class Demo:
    """`strangler up --demo` in a folder and on ports of its own."""

    def __init__(self, home: Path, *options: str) -> None:
        self.home = home
        self.ports = {port: free_port() for port in PORTS}
        shutil.copytree(REPO / "slices", home / "slices")
        text = (REPO / "plan.toml").read_text(encoding="utf-8")
        for port in (5001, 5002, 5003):
            text = text.replace(f":{port}", f":{self.ports[port]}")
        text += f"\n[facade]\nport = {self.ports[8000]}\nadmin_port = {self.ports[8001]}\n"
        (home / "plan.toml").write_text(text, encoding="utf-8")
        self.environment = {"PYTHONPATH": str(REPO), "NO_COLOR": "1", MARK: str(home)}
        self.process = Process(
            [*STRANGLER, "up", "--demo", *options],
            log=home / "up.log", directory=home, environment=self.environment,
        )  # fmt: skip

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[8000]}"

    def start(self) -> None:
        """Start it and wait until it has printed its URLs: two minutes are what the README promises."""
        self.process.start()
        self.process.wait_for_line("Ctrl-C stops everything", within=120)

    def again(self) -> subprocess.CompletedProcess[str]:
        """Type the command once more, in a second terminal."""
        return subprocess.run(
            [*STRANGLER, "up", "--demo"], cwd=self.home, env={**os.environ, **self.environment},
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    def running(self) -> list[str]:
        """The command lines of all that was started by it, whoever is its parent now."""
        mark = f"{MARK}={self.home}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        return found

    def is_gone(self) -> None:
        """Nothing of it runs, and its ports are free."""
        eventually("all processes have ended", lambda: not self.running(), within=60, show=self.running)
        for port in self.ports.values():
            socket.create_server(("127.0.0.1", port)).close()

    def ledger(self) -> list[tuple[str, str, int, int]]:
        """What the ledger says of each route."""
        query = "SELECT route, stage, mirror_pct, version FROM route_state ORDER BY route"
        with closing(sqlite3.connect(self.home / ".strangler" / "ledger.db")) as ledger:
            assert ledger.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            return ledger.execute(query).fetchall()

    def compared(self) -> bool:
        """Whether every route that may be mirrored is."""
        return {row[1] for row in self.ledger() if row[0].startswith("catalog.")} == {"shadow"}

    def strangler(self, *words: str) -> dict[str, Any]:
        """What a command answers, typed in a second terminal."""
        done = subprocess.run(
            [*STRANGLER, *words, "--json"], cwd=self.home, env={**os.environ, **self.environment},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def orders(self, database: str) -> int:
        """How many orders a database has."""
        with closing(sqlite3.connect(self.home / ".strangler" / "demo" / database)) as connection:
            return int(connection.execute("SELECT count(*) FROM orders").fetchone()[0])


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path)
    yield demo
    demo.process.terminate(within=30)


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """As a shell does for `strangler up --demo &` in a script: children inherit it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("shell", [contextlib.nullcontext, _interrupts_ignored], ids=["typed", "in a script"])
def test_the_first_command_prints_its_urls_and_ctrl_c_leaves_no_process_and_no_lost_row(
    demo: Demo, shell: Callable[[], contextlib.AbstractContextManager[None]]
) -> None:
    with shell():
        demo.start()
    for port in demo.ports.values():
        assert f"http://127.0.0.1:{port}/" in demo.process.log(1_000_000)
    assert httpx.get(f"{demo.url}/", timeout=5).status_code == 200
    assert [part for part in PARTS if not any(part in line for line in demo.running())] == []
    eventually("all is compared", demo.compared, within=60)
    before = demo.ledger()
    demo.process.signal(signal.SIGINT)
    eventually("it ends", lambda: not demo.process.running, within=30)
    assert demo.process.terminate() == 130
    demo.is_gone()
    assert demo.ledger() == before
    assert "Traceback" not in demo.process.log(1_000_000)


def test_a_killed_up_leaves_no_process_and_starts_again_where_it_was(demo: Demo) -> None:
    demo.start()
    eventually("all is compared", demo.compared, within=60)
    before = demo.ledger()
    os.kill(demo.process.pid, signal.SIGKILL)
    demo.process.terminate()
    demo.is_gone()
    demo.start()
    assert demo.ledger() == before


@pytest.fixture
def quiet_demo(tmp_path: Path) -> Iterator[Demo]:
    """With fewer visitors: what is looked for is a failed answer, not how many a busy machine can give."""
    demo = Demo(tmp_path, "--rate", "2")
    yield demo
    demo.process.terminate(within=30)


@pytest.mark.alone
def test_orders_change_sides_and_come_back_while_visitors_order(quiet_demo: Demo) -> None:
    demo = quiet_demo
    demo.start()
    stages = {one["slice"]: one["writes"] for one in demo.strangler("sync", "status")["slices"]}
    assert stages == {"catalog": "sync", "orders": "sync"}
    eventually(
        "both were verified",
        lambda: demo.strangler("sync", "status", "orders")["slices"][0]["next"].endswith("dry-run"),
        within=60,
    )
    assert demo.strangler("flip", "orders", "--to", "extracted")["authority"] == "extracted"
    before = demo.orders("orders.db")
    eventually("a visitor ordered from the service", lambda: demo.orders("orders.db") > before, within=60)
    assert demo.strangler("flip", "orders", "--to", "legacy")["authority"] == "legacy"
    before = demo.orders("shop.db")
    eventually("and from the monolith again", lambda: demo.orders("shop.db") > before, within=60)
    assert demo.strangler("verify", "orders")["clean"]
    # The visitors write down each answer that was none: a flip costs nobody one.
    demo.process.signal(signal.SIGINT)
    eventually("it ends", lambda: not demo.process.running, within=30)
    assert ", 0 failed" in demo.process.log(1_000_000).rpartition("requests in")[2]
    demo.is_gone()


@pytest.mark.parametrize("port", PORTS)
def test_a_taken_port_is_told_before_anything_starts(demo: Demo, port: int) -> None:
    with socket.create_server(("127.0.0.1", demo.ports[port])):
        done = demo.again()
    assert done.returncode == 3
    assert f"127.0.0.1:{demo.ports[port]}" in done.stderr
    assert "Nothing was started" in done.stderr
    assert demo.running() == []
    assert not (demo.home / ".strangler" / "demo").exists()
