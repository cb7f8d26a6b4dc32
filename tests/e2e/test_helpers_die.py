"""Given traffic, when shadow, the ledger or the flag source dies, then no user's answer changes."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.accidents import Ailment, half_moved, nobody_notices
from tests.e2e.load import Load
from tests.e2e.system import Backend, System, eventually


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Half of the keys of show_product on the service, everything mirrored."""
    with half_moved(
        System(tmp_path_factory.mktemp("helpers-die"), Backend("embedded"), products=100)
    ) as system:
        yield system


def _shadow_killed(system: System) -> Callable[[], object]:
    system.kill("shadow")
    return lambda: system.start("shadow")


def _shadow_stopped(system: System) -> Callable[[], object]:
    system.pause("shadow")
    return lambda: system.resume("shadow")


def _conductor_killed(system: System) -> Callable[[], object]:
    system.kill("conductor")
    return lambda: system.start("conductor")


def _ledger_locked(system: System) -> Callable[[], object]:
    connection = sqlite3.connect(system.home / ".strangler" / "ledger.db", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    return connection.close


def _ledger_read_only(system: System) -> Callable[[], object]:
    ledger = system.home / ".strangler" / "ledger.db"
    if os.geteuid() == 0:  # root writes what nobody may write, but not what is immutable
        subprocess.run(["chattr", "+i", ledger], check=True)
        return lambda: subprocess.run(["chattr", "-i", ledger], check=True)
    ledger.chmod(0o444)
    return lambda: ledger.chmod(0o600)


def _ledger_deleted(system: System) -> Callable[[], object]:
    state = system.home / ".strangler"
    away = [(path, path.with_name(f"away-{path.name}")) for path in state.glob("ledger.db*")]
    for path, other in away:
        path.rename(other)

    def back() -> None:
        for path in state.glob("ledger.db*"):
            path.unlink()
        for path, other in away:
            other.rename(path)

    return back


def _flags(system: System) -> Path:
    return system.home / ".strangler" / "flags.json"


def _flags_truncated(system: System) -> Callable[[], object]:
    text = _flags(system).read_text()
    _flags(system).write_text(text[: len(text) // 2])
    return lambda: _replace(_flags(system), text)


def _flags_removed(system: System) -> Callable[[], object]:
    text = _flags(system).read_text()
    _flags(system).unlink()
    return lambda: _replace(_flags(system), text)


def _replace(path: Path, text: str) -> None:
    other = path.with_suffix(".new")
    other.write_text(text)
    other.replace(path)


AILMENTS: dict[str, Ailment] = {
    "shadow is killed": _shadow_killed,
    "shadow is stopped": _shadow_stopped,
    "the conductor is killed": _conductor_killed,
    "the ledger is locked": _ledger_locked,
    "the ledger is read-only": _ledger_read_only,
    "the ledger is deleted": _ledger_deleted,
    "the flag file is truncated": _flags_truncated,
    "the flag file is removed": _flags_removed,
}


@pytest.mark.parametrize("ailment", AILMENTS)
def test_no_users_answer_changes(system: System, ailment: str) -> None:
    nobody_notices(system, AILMENTS[ailment])


def test_what_shadow_lost_when_it_was_killed_is_counted(system: System) -> None:
    load = Load(system.url, lambda n: f"/api/products/{n % 100 + 1}", clients=20, think=0.02)
    with load.running():
        eventually("the load runs", lambda: len(load.log) > 300, within=60)
        system.kill("shadow")
        began = time.monotonic()
        eventually("traffic flows", lambda: len(load.since(began)) > 300, within=60)
        system.start("shadow")
        again = time.monotonic()
        eventually("traffic flows", lambda: len(load.since(again)) > 300, within=60)

    def balanced() -> bool:
        counts = system.report("show_product")["traffic"]
        compared, left_out = sum(counts["outcomes"].values()), sum(counts["not_compared"].values())
        return bool(counts["in_flight"] == 0 and counts["eligible"] == compared + left_out)

    eventually(
        "every eligible exchange is accounted for", balanced, within=60, every=0.3,
        show=lambda: system.report("show_product")["traffic"],
    )  # fmt: skip
    counts = system.report("show_product")["traffic"]
    assert counts["not_compared"].get("shadow_away", 0) + counts["outcomes"].get("lost", 0) > 0


def test_a_ledger_that_was_deleted_is_never_replaced_by_an_empty_one(system: System) -> None:
    with closing(sqlite3.connect(system.home / ".strangler" / "ledger.db")) as ledger:
        rows = ledger.execute(
            "SELECT route, stage, applied_pct FROM route_state WHERE stage = 'canary'"
        ).fetchall()
    assert rows == [("catalog.show_product", "canary", 50)]
