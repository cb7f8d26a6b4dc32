"""Whatever is wrong with tables, plan, databases or the moment is refused with the cure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.sync_desk import PLAN, Desk
from tests.integration.test_cli_sync import DECLARED, MAPPING

KEYLESS = """
PRAGMA foreign_keys = off;
CREATE TABLE bare(id INTEGER, total FLOAT NOT NULL, note TEXT);
INSERT INTO bare SELECT * FROM orders;
DROP TABLE orders;
ALTER TABLE bare RENAME TO orders;
"""
NOCASE = """
DROP TABLE lines;
DROP TABLE heads;
CREATE TABLE heads(id TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, cents BIGINT NOT NULL);
CREATE TABLE lines(id INTEGER PRIMARY KEY, order_id TEXT NOT NULL REFERENCES heads(id), sku TEXT NOT NULL);
"""
TWICE = """
[slices.billing]
owner = "team-billing"
service = "orders"
data = "sync"
[[slices.billing.entities]]
name = "bill"
legacy = "orders"
extracted = "bills"
columns = {id = "id", total = "total"}
"""


def _run_all(on: Callable[..., object], statements: str) -> None:
    for statement in statements.strip().split(";\n"):
        on(statement.rstrip(";"))


def _without_a_key(desk: Desk) -> None:
    _run_all(desk.legacy, KEYLESS)


def _not_invertible(desk: Desk) -> None:
    (desk.folder / "m.py").write_text(MAPPING)
    (desk.folder / "plan.toml").write_text(PLAN.replace(DECLARED, 'mapping = "m.py:order"'))


def _other_collations(desk: Desk) -> None:
    _run_all(desk.extracted, NOCASE)


def _service_down(desk: Desk) -> None:
    (desk.folder / "orders.db").unlink()


def _service_down_on_postgresql(desk: Desk) -> None:
    away = "postgresql+psycopg://orders:geheim@127.0.0.1:1/orders"
    (desk.folder / "plan.toml").write_text(PLAN.replace("sqlite:///orders.db", away))


def _in_two_slices(desk: Desk) -> None:
    (desk.folder / "plan.toml").write_text(PLAN + TWICE)


def _quarantine(desk: Desk) -> None:
    desk.in_step()
    desk.ok("verify", "orders")
    desk.legacy("UPDATE orders SET total = 0.001 WHERE id = 4")
    assert desk.type("backfill", "orders", "--anew").returncode == 1


def _half_done(desk: Desk) -> None:
    desk.in_step()
    desk.ok("verify", "orders")
    desk.legacy("UPDATE sf_authority SET phase = 'closed' WHERE slice = 'orders'")


@dataclass(frozen=True)
class Case:
    """What is made wrong, what is typed, and what has to be answered."""

    make: Callable[[Desk], None]
    words: tuple[str, ...]
    code: int
    said: tuple[str, ...]


INSTALL = ("capture", "install", "orders")
FLIP = ("flip", "orders", "--to", "extracted")
CASES = {
    "a table without a primary key": Case(
        _without_a_key, INSTALL, 3, ("orders on the legacy side has no primary key; add one", "plan.toml:11")
    ),
    "a mapping that is not invertible": Case(
        _not_invertible, INSTALL, 1, ("it comes back with other total", "Next: mend the mapping")
    ),
    "keys that one side compares otherwise": Case(
        _other_collations, INSTALL, 1, ("its collation is NOCASE", "use BINARY for the key")
    ),
    "one table in two slices": Case(
        _in_two_slices, INSTALL, 3, ("table 'orders' belongs to", "one table moves with one entity")
    ),
    "one table in two slices, asked of the plan": Case(
        _in_two_slices, ("plan", "check"), 1, ("table 'orders' belongs to", "plan.toml:")
    ),
    "rows in quarantine": Case(
        _quarantine, FLIP, 1, ("blocked by 2 quarantined keys", "strangler redrive orders")
    ),
    "another flip that is half done": Case(
        _half_done, FLIP, 1, ("is half done", "strangler flip orders --resume", "--abort")
    ),
} | {
    f"{where} that is down, for {' '.join(words)}": Case(make, words, 3, said)
    for where, make, said in (
        ("a service's file", _service_down, ("orders.db",)),
        ("a service's server", _service_down_on_postgresql, ("127.0.0.1",)),
    )
    for words in (
        INSTALL,
        ("capture", "audit", "orders"),
        ("backfill", "orders"),
        ("verify", "orders"),
        ("repair", "orders", "--all"),
        ("redrive", "orders"),
        ("sync", "status"),
        FLIP,
    )
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_with_the_cure(name: str, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.ok("flags", "init")
    case = CASES[name]
    case.make(desk)
    done = desk.type(*case.words)  # it looks for tracebacks itself
    everything = done.stdout + done.stderr
    assert done.returncode == case.code, everything
    for each in case.said:
        assert each in everything
    assert "geheim" not in everything
    assert "Next: " in everything or "`strangler " in everything, everything
    if case.words[:2] == INSTALL[:2]:
        assert desk.legacy("SELECT name FROM sqlite_master WHERE name LIKE 'sf~_%' ESCAPE '~'") == []
