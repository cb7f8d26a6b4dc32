"""A desk with one slice that is kept in step: two SQLite files, a plan, and commands as people type them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from desk.cli.door import run

PLAN = """
[legacy]
url = "http://127.0.0.1:1"
database = "sqlite:///shop.db"
[services.orders]
url = "http://127.0.0.1:2"
database = "sqlite:///orders.db"
[slices.orders]
owner = "team-orders"
data = "sync"
[[slices.orders.entities]]
name = "order"
legacy = "orders"
extracted = "heads"
columns = {id = "id", total = {to = "cents", as = "cents"}}
[[slices.orders.entities]]
name = "line"
legacy = "order_lines"
extracted = "lines"
columns = {id = "id", order_id = "order_id", sku = "sku"}
references = [{to = "order", legacy = "order_id", extracted = "order_id", parent = true}]
"""
LEGACY = """
PRAGMA journal_mode=WAL;
CREATE TABLE orders(id INTEGER PRIMARY KEY AUTOINCREMENT, total FLOAT NOT NULL, note TEXT);
CREATE TABLE order_lines(id INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id INTEGER NOT NULL REFERENCES orders(id), sku TEXT NOT NULL);
"""
EXTRACTED = """
PRAGMA journal_mode=WAL;
CREATE TABLE heads(id INTEGER PRIMARY KEY, cents BIGINT NOT NULL);
CREATE TABLE lines(id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES heads(id), sku TEXT NOT NULL);
"""
ORDERS = 50


class Desk:
    """The folder of a migration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "plan.toml").write_text(PLAN)
        with closing(sqlite3.connect(folder / "shop.db")) as shop, shop:
            shop.executescript(LEGACY)
            numbers = range(1, ORDERS + 1)
            shop.executemany("INSERT INTO orders VALUES(?, ?, 'mine')", [(at, at * 1.25) for at in numbers])
            shop.executemany(
                "INSERT INTO order_lines VALUES(?, ?, ?)", [(at, at, f"s{at}") for at in numbers]
            )
        with closing(sqlite3.connect(folder / "orders.db")) as orders:
            orders.executescript(EXTRACTED)

    def legacy(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """A statement of the monolith's."""
        return self._on("shop.db", statement, values)

    def extracted(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """A statement of the service's (or of somebody who should not)."""
        return self._on("orders.db", statement, values)

    def _on(self, file: str, statement: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / file)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def type(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`strangler WORDS`, in here: what it says, and its exit code."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.setenv("STRANGLER_ACTOR", "anna")
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = run(words)
        assert "Traceback" not in out.getvalue() + err.getvalue()
        return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())

    def ok(self, *words: str) -> str:
        """The same, and it has to succeed: everything it said."""
        done = self.type(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def json(self, *words: str, code: int = 0) -> dict[str, Any]:
        """What the command answers with --json."""
        done = self.type(*words, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def in_step(self) -> None:
        """Capture installed and everything brought over."""
        self.ok("capture", "install", "orders")
        self.ok("backfill", "orders")

    def objects(self) -> list[str]:
        """Names of everything of ours in either database."""
        named = "SELECT name FROM sqlite_master WHERE name LIKE 'sf~_%' ESCAPE '~'"
        return [name for (name,) in self.legacy(named) + self.extracted(named)]


def verified(folder: Path) -> Desk:
    """In step, verified, and nobody relays: ready to flip."""
    made = Desk(folder)
    made.ok("flags", "init")
    made.in_step()
    made.ok("verify", "orders")
    return made


@contextlib.contextmanager
def run_sync(desk: Desk) -> Iterator[None]:
    """`strangler run sync` beside the desk; it has to end well when it is told to."""
    log = desk.folder / "sync.log"
    with log.open("w") as out:
        running = subprocess.Popen(
            [sys.executable, "-m", "desk", "run", "sync"],
            cwd=desk.folder,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=out,
            stderr=out,
        )
    try:
        yield
    finally:
        running.terminate()
        assert running.wait(timeout=30) == 0, log.read_text()
    assert "Traceback" not in log.read_text()


def until(holds: Callable[[], bool], within: float = 60.0) -> None:
    """Wait for it; an AssertionError when it does not come."""
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.05)
