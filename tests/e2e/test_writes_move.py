"""Given customers who order all the while, when writes move to and fro and all dies, no order is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bench.facade.cost import run_times, run_times_of, spent
from tests.e2e.load import percentile
from tests.e2e.order_reckoning import Reckoning, mapping_of_the_plan, read_books, read_side, reckon, shelves
from tests.e2e.order_system import OrderSystem, wait_until_neither_is_open
from tests.e2e.system import Said, eventually
from tools.servers.postgres import Postgres

FLIPS = int(os.environ.get("E2E_FLIPS", "8"))
RATE = float(os.environ.get("E2E_RATE", "100"))  # orders a second that are asked for; what came is printed
CLIENTS = 12
# What a person types when more is written than a busy machine relays within the usual tenth of a second.
LAG = ("--max-lag", os.environ["E2E_MAX_LAG"]) if "E2E_MAX_LAG" in os.environ else ()
_TRIES = 12  # a flip that finds somebody dead is refused or given up, and typed again


@dataclass
class Mover:
    """Whoever types `strangler flip`, and what befalls everybody else meanwhile."""

    system: OrderSystem
    server: Postgres
    dice: random.Random
    authority: str = "legacy"
    flips: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    paused: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    cost: dict[str, dict[str, float]] = field(default_factory=dict)

    def measure(self, folder: Path, clerks: int) -> None:
        """CPU time of each process for each order, where nobody dies: it survives a busy machine."""
        orders = len(read_books(folder).times)
        before = self._run_times(clerks)
        time.sleep(4.0)
        used = {name: spent(before[name], now) for name, now in self._run_times(clerks).items()}
        everything = used.pop("all")
        used["database"] = everything - sum(used.values())
        placed = max(1, len(read_books(folder).times) - orders)
        self.cost[self.authority] = {name: time / 1e6 / placed for name, time in used.items()}

    def _run_times(self, clerks: int) -> dict[str, dict[int, int]]:
        """By process; those of the database server are what is left of `all`."""
        running = {name: run_times(process.pid) for name, process in self.system.processes.items()}
        own = {"clerks": run_times(clerks), "test": run_times_of(os.getpid())}
        return {**running, **own, "all": run_times(os.getpid())}

    def accidents(self) -> list[str]:
        """One for each flip, each kind as often as the others."""
        kinds = [
            *("relay", "facade worker", "order service", "monolith worker"),
            *("flipper, resume", "database server", "flipper, abort", "facade"),
        ]
        return [kinds[at % len(kinds)] for at in range(FLIPS)]

    def move(self, accident: str) -> None:
        """One flip, with an accident at a random moment of it."""
        target = "extracted" if self.authority == "legacy" else "legacy"
        flip = self.system.start_flip("--to", target, *LAG)
        if accident.startswith("flipper"):
            self._kill_flipper(flip, accident)
        else:
            time.sleep(self.dice.uniform(0.2, 2.0))
            self._strike(accident)
            self._end(flip)
        for _ in range(_TRIES):
            if self.authority == target:
                break
            self._again(target)
        assert self.authority == target, self.troubles[-3:]
        self.flips += 1

    def _kill_flipper(self, flip: subprocess.Popen[str], accident: str) -> None:
        half = wait_until_neither_is_open(self.system.legacy, self.system.extracted, within=60)
        flip.send_signal(signal.SIGKILL)
        flip.communicate()
        self.kills["flipper" if half else "flipper, late"] += 1
        self._recover("--resume" if accident.endswith("resume") else "--abort")

    def _recover(self, how: str) -> None:
        said = self.system.strangler("flip", "orders", how, "--json", code=None)
        if said.code == 0 and said.out:
            self.authority = said.json["authority"]
        else:
            self.troubles.append(f"{how}: {said.code} {said.err.strip()}")

    def _again(self, target: str) -> None:
        self._end(self.system.start_flip("--to", target, *LAG))
        if self.authority != target and "--resume" in self.troubles[-1]:
            self._recover("--resume")

    def _end(self, flip: subprocess.Popen[str]) -> None:
        out, err = flip.communicate(timeout=120)
        assert "Traceback" not in err, err
        said = Said(flip.returncode, out, err)
        if not out:
            self.troubles.append(f"{said.code} {err.strip()}")
            time.sleep(0.3)
            return
        done = said.json
        self.authority = done["authority"]
        if done["moved"]:
            self.paused.append(done["paused_seconds"])
            self.held.append(done["held_seconds"])
        else:
            self.troubles.append(f"{said.code} {done['sentence']}")

    def _strike(self, victim: str) -> None:
        self.kills[victim] += 1
        if victim == "relay":
            name = self.system.leader()
            self.system.kill(name)
            self.system.start(name)
        elif victim == "facade worker":
            os.kill(self.dice.choice(self.system.workers()), signal.SIGKILL)
        elif victim == "monolith worker":
            self.system.kill_worker_of("legacy")
        elif victim == "database server":
            self.server.kill9()
            time.sleep(self.dice.uniform(0.0, 0.3))
            self.server.restart()
        else:
            name = "orders" if victim == "order service" else "facade"
            self.system.kill(name)
            self.system.start(name)


@pytest.fixture
def shop(tmp_path: Path, postgres_server: Postgres) -> Iterator[OrderSystem]:
    system = OrderSystem(tmp_path, postgres_server.database, customers=CLIENTS)
    try:
        system.prepare()
        system.start_all()
        yield system
    finally:
        system.stop()


@pytest.mark.services
@pytest.mark.slow
@pytest.mark.alone
def test_writes_move_under_load_with_a_death_in_each_flip(
    shop: OrderSystem, postgres_server: Postgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.nightly("legacy")
    old, before = _orders(shop), shelves(shop.legacy)
    mover = Mover(shop, postgres_server, random.Random(os.environ.get("E2E_SEED", time.time_ns())))
    clerks = shop.clerks(tmp_path, CLIENTS, RATE)
    _more_orders(tmp_path, CLIENTS)
    forecast = _forecast_of_the_rogue(shop)
    mover.measure(tmp_path, clerks.pid)
    for accident in mover.accidents():
        mover.move(accident)
        if len(mover.cost) == 1 and mover.authority == "extracted":
            mover.measure(tmp_path, clerks.pid)
        if mover.authority == "extracted" and "nightly" not in mover.kills:
            refused = shop.nightly("legacy", code=3)
            assert "orders moved to the extracted service" in refused.err
            mover.kills["nightly"] = 0
        time.sleep(1.0)
    assert clerks.terminate(within=60) == 0, clerks.log()
    shop.nightly(mover.authority)
    status = shop.settle()
    found = _reckoned(shop, tmp_path, old, before)
    figures = _figures(tmp_path, mover, found, status)
    with capsys.disabled():
        print(f"\n{json.dumps(figures)}")
    assert found.problems == {}
    assert any("rogue" in line for line in forecast), forecast
    assert figures["rogue_refused"] > 0
    assert status["sides"]["legacy"]["refused"] >= figures["rogue_refused"]
    assert [one["quarantine"] + one["different"] for one in status["entities"]] == [[]] * 5
    assert figures["acknowledged"] > 100 * FLIPS / 4
    assert "no difference" in shop.strangler("verify", "orders").out


def _more_orders(folder: Path, count: int) -> None:
    there = len(read_books(folder).times)
    eventually("orders come", lambda: len(read_books(folder).times) >= there + count, within=30)


def _forecast_of_the_rogue(shop: OrderSystem) -> list[str]:
    """Who is told to be refused, before it happens."""

    def told() -> list[str]:
        lines = shop.strangler("flip", "orders", "--to", "extracted", "--dry-run", "--json", code=None)
        return [line for line in lines.json["would_be_refused"] if "rogue" in line]

    found: list[str] = eventually("the rogue is forecast", told, within=30)
    return found


def _orders(shop: OrderSystem) -> set[int]:
    """The numbers of the orders that are there."""
    rows = read_side(shop.legacy, mapping_of_the_plan(), extracted=False)["order"]
    return {row["id"] for row in rows}


def _reckoned(shop: OrderSystem, folder: Path, old: set[int], before: dict[int, int]) -> Reckoning:
    return reckon(shop.legacy, shop.extracted, read_books(folder), before, old)


def _figures(folder: Path, mover: Mover, found: Reckoning, status: dict[str, Any]) -> dict[str, Any]:
    books = read_books(folder)
    elapsed = max(books.times) - min(books.times)
    cost = {side: sum(parts.values()) for side, parts in mover.cost.items()}
    return {
        "seconds": round(elapsed, 1),
        "rate_asked": RATE,
        "rate": round(len(books.times) / elapsed, 1),
        "cpu_ms_per_order": {side: round(ms, 1) for side, ms in cost.items()},
        "cpu_ms_by_process": {
            side: {name: round(ms, 2) for name, ms in parts.items()} for side, parts in mover.cost.items()
        },
        "rate_of_two_idle_cores": {side: round(2000 / ms) for side, ms in cost.items()},
        "flips": mover.flips,
        "epoch": status["epoch"],
        "kills": {name: count for name, count in mover.kills.items() if count},
        "acknowledged": len(books.acknowledged),
        "taken_by": dict(books.builds),
        "status_changes": len(books.status),
        "rogue_refused": len(books.refused),
        "refused_counted": status["sides"]["legacy"]["refused"],
        "lost": len(found.lost),
        "doubled": len(found.doubled),
        "mismatched": len(found.mismatched),
        "rows_compared": found.rows,
        "answer_p50_ms": round(1000 * percentile(books.seconds, 0.5)),
        "answer_p99_ms": round(1000 * percentile(books.seconds, 0.99)),
        "pause_p50_ms": round(1000 * percentile(mover.paused or [0.0], 0.5)),
        "pause_p99_ms": round(1000 * percentile(mover.paused or [0.0], 0.99)),
        "hold_p50_ms": round(1000 * percentile(mover.held or [0.0], 0.5)),
        "hold_p99_ms": round(1000 * percentile(mover.held or [0.0], 0.99)),
        "errors": dict(books.errors),
        "looks": dict(books.looks),
        "troubles": mover.troubles,
    }


ALL_KINDS = {"lost", "doubled", "uninvited", "mangled", "stock", "mismatched"}
_HARM = (
    "DELETE FROM orders WHERE id = {0}",
    "UPDATE orders SET client_reference = 'nobody sent it' WHERE id = {1}",
    "DELETE FROM order_lines WHERE order_id = {2}",
    "UPDATE orders SET id = {3} + 1000000 WHERE id = {3}",
    "UPDATE stock SET quantity = quantity + 1 WHERE product_id = 1",
)


def _what_is_seen_of_planted_harm(
    system: OrderSystem, folder: Path, old: set[int], before: dict[int, int]
) -> set[str]:
    """What the reckoning says of a side that is damaged: it must be able to fail."""
    numbers = sorted(number for number in read_books(folder).acknowledged.values() if number)
    for name in ("sync 1", "sync 2"):
        system.kill(name)
    with closing(sqlite3.connect(system.home / "shop.db")) as shop, shop:
        for statement in _HARM:
            shop.execute(statement.format(*numbers))
    return set(_reckoned(system, folder, old, before).problems)


@pytest.mark.slow
def test_the_same_slice_moves_on_sqlite_files_and_back_under_light_writes(tmp_path: Path) -> None:
    system = OrderSystem(tmp_path)
    try:
        system.prepare()
        system.start_all()
        old, before = _orders(system), shelves(system.legacy)
        clerks = system.clerks(tmp_path, 3, rate=15)
        for target in ("extracted", "legacy"):
            _more_orders(tmp_path, 10)
            assert system.strangler("flip", "orders", "--to", target, "--json").json["moved"]
        assert clerks.terminate(within=30) == 0, clerks.log()
        system.settle()
        found = _reckoned(system, tmp_path, old, before)
        assert found.problems == {}
        assert len(read_books(tmp_path).acknowledged) > 20
        assert _what_is_seen_of_planted_harm(system, tmp_path, old, before) == ALL_KINDS
    finally:
        system.stop()
