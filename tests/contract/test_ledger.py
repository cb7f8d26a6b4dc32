"""The ledger's contract, in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from migration.adapters.sql_engine import DEADLINE, open_engine, transaction
from migration.bootstrap import open_ledger
from migration.core.effective import RouteState
from migration.core.stages import ReadStage
from migration.errors import LedgerConflict, LedgerError
from migration.ports import AuditEntry, Ledger

A, B = "catalog.show_product", "catalog.list_products"
REPO = Path(__file__).parents[2]


def entry(why: str = "because", at: float = 5.0, **changes: Any) -> AuditEntry:
    return AuditEntry(**({"actor": "anna", "action": "shift", "why": why, "at": at} | changes))


def change(
    ledger: Ledger, route: str = A, expected: int | None = None, at: float = 5.0, **changes: Any
) -> RouteState:
    values: dict[str, Any] = {
        "stage": ReadStage.CANARY,
        "cap_pct": 10,
        "applied_pct": 10,
        "mirror_pct": 25,
        "hold": False,
        "hold_reason": "",
        "audit": entry(at=at),
    }
    version = ledger.routes()[route].version if expected is None else expected
    return ledger.change(route, version, **(values | changes))


# -- one ledger, three technologies ----------------------------------------------------------------


def test_a_new_ledger_is_empty_and_routes_start_at_legacy(ledger: Ledger) -> None:
    assert (dict(ledger.routes()), ledger.audit(10)) == ({}, [])
    ledger.ensure([A, B])
    assert dict(ledger.routes()) == {A: RouteState(A), B: RouteState(B)}


def test_ensuring_again_keeps_the_rows_and_the_version(ledger: Ledger) -> None:
    ledger.ensure([A])
    changed = change(ledger)
    version = ledger.version()
    ledger.ensure([A, A])
    assert (ledger.routes()[A], ledger.version()) == (changed, version)
    ledger.ensure([A, B])
    assert ledger.routes()[A] == changed
    assert ledger.version() > version


def test_a_change_is_read_back_whole_and_tells_since_when(ledger: Ledger) -> None:
    ledger.ensure([A, B])
    first = change(ledger, at=1_000.125, hold=True, hold_reason="zurück: „Größe“ 'x'; --")
    assert first == ledger.routes()[A]
    assert (first.stage, first.cap_pct, first.applied_pct, first.mirror_pct) == (ReadStage.CANARY, 10, 10, 25)
    assert (first.hold, first.hold_reason, first.since, first.version) == (
        True,
        "zurück: „Größe“ 'x'; --",
        1_000.125,
        1,
    )
    assert change(ledger, at=2_000.0, mirror_pct=50).since == 1_000.125
    assert change(ledger, at=3_000.0, cap_pct=50).since == 3_000.0
    assert ledger.routes()[B] == RouteState(B)


def test_a_row_read_too_early_changes_nothing(ledger: Ledger) -> None:
    ledger.ensure([A])
    change(ledger)
    before, version, lines = ledger.routes()[A], ledger.version(), len(ledger.audit(99))
    for expected in (0, 2):
        with pytest.raises(LedgerConflict):
            change(ledger, expected=expected, cap_pct=50)
    assert (ledger.routes()[A], ledger.version(), len(ledger.audit(99))) == (before, version, lines)


def test_an_unknown_route_and_a_contradiction_are_refused_and_change_nothing(ledger: Ledger) -> None:
    ledger.ensure([A])
    version = ledger.version()
    with pytest.raises(LedgerError, match=r"no\.such"):
        change(ledger, "no.such", expected=0)
    with pytest.raises(LedgerError, match="contradicts itself"):
        change(ledger, cap_pct=10, applied_pct=11)
    assert (ledger.version(), ledger.audit(9), ledger.routes()[A].version) == (version, [], 0)


def test_every_change_grows_the_version(ledger: Ledger) -> None:
    ledger.ensure([A, B])
    seen = [ledger.version()]
    for route in (A, B, A):
        change(ledger, route)
        seen.append(ledger.version())
    assert seen == sorted(set(seen))


def test_the_audit_tells_who_what_when_why_newest_first(ledger: Ledger) -> None:
    ledger.ensure([A, B])
    change(ledger, A, at=1.0)
    change(ledger, B, at=2.0)
    change(ledger, A, at=3.5, cap_pct=50, audit=entry("größer", 3.5, evidence="h1", override="trotzdem"))
    rows = ledger.audit(10)
    assert [(row.route, row.entry.at) for row in rows] == [(A, 3.5), (B, 2.0), (A, 1.0)]
    assert rows[0].entry == entry("größer", 3.5, evidence="h1", override="trotzdem")
    assert (rows[0].before["cap_pct"], rows[0].after["cap_pct"], rows[0].after["stage"]) == (10, 50, "canary")
    assert (rows[2].before["stage"], rows[2].after["stage"]) == ("legacy", "canary")
    assert rows[0].version == ledger.version()
    assert [row.route for row in ledger.audit(10, B)] == [B]
    assert ledger.audit(1) == rows[:1]
    assert len({row.id for row in rows}) == 3


def test_a_note_is_written_without_a_change(ledger: Ledger) -> None:
    ledger.ensure([A])
    version = ledger.version()
    ledger.record(entry("the kill switch"))
    ledger.record(entry("about a route"), A)
    assert [(row.route, row.entry.why, dict(row.after)) for row in ledger.audit(9)] == [
        (A, "about a route", {}),
        ("", "the kill switch", {}),
    ]
    assert ledger.version() == version


def test_a_lease_has_one_holder_who_renews_until_it_ends_or_is_given_back(ledger: Ledger) -> None:
    assert ledger.lease("conductor", "one", 5.0, now=100.0)
    assert not ledger.lease("conductor", "two", 5.0, now=104.9)
    assert ledger.lease("conductor", "one", 5.0, now=104.0)
    assert not ledger.lease("conductor", "two", 5.0, now=108.9)
    assert ledger.lease("conductor", "two", 5.0, now=109.0)
    assert ledger.lease("other", "one", 5.0, now=109.0)
    ledger.release_lease("conductor", "one")
    assert not ledger.lease("conductor", "one", 5.0, now=110.0)
    ledger.release_lease("conductor", "two")
    assert ledger.lease("conductor", "one", 5.0, now=110.0)
    ledger.release_lease("never taken", "one")
    assert [ledger.lease_holder("conductor", at) for at in (110.0, 114.9, 115.0)] == ["one", "one", None]
    assert ledger.lease_holder("never taken", 0.0) is None


def test_many_at_once_lose_no_change_and_no_line(ledger: Ledger) -> None:
    ledger.ensure([A])
    wins = [0] * 6

    def work(number: int) -> None:
        for _ in range(8):
            while True:
                try:
                    state = ledger.routes()[A]
                    change(ledger, expected=state.version, mirror_pct=(state.mirror_pct + 1) % 101)
                except LedgerError:  # a conflict, or a lock that was held too long: refused, so try again
                    continue
                wins[number] += 1
                break

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wins == [8] * 6
    assert (ledger.routes()[A].version, ledger.routes()[A].mirror_pct, len(ledger.audit(99))) == (48, 48, 48)


def test_of_many_that_want_a_lease_one_gets_it(ledger: Ledger) -> None:
    got: list[bool] = []
    start = threading.Barrier(6)

    def want(holder: str) -> None:
        start.wait()
        got.append(ledger.lease("conductor", holder, 5.0, now=100.0))

    threads = [threading.Thread(target=want, args=(str(number),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False] * 5 + [True]


# -- on a database ---------------------------------------------------------------------------------


def test_what_was_written_is_there_for_another_process(ledger_url: str) -> None:
    first = open_ledger(ledger_url, create=True)
    first.ensure([A])
    changed = change(first)
    first.close()
    second = open_ledger(ledger_url, create=False)
    assert (second.routes()[A], len(second.audit(9))) == (changed, 1)
    third = open_ledger(ledger_url, create=True)
    assert third.routes()[A] == changed


def test_a_ledger_that_is_not_there_is_never_silently_a_fresh_one(ledger_url: str) -> None:
    with pytest.raises(LedgerError, match="strangler up makes"):
        open_ledger(ledger_url, create=False)


def test_many_may_create_it_at_once(ledger_url: str) -> None:
    opened: list[Ledger] = []
    start = threading.Barrier(6)

    def one() -> None:
        start.wait()
        opened.append(open_ledger(ledger_url, create=True))

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 6
    opened[0].ensure([A])
    assert all(dict(ledger.routes()) == {A: RouteState(A)} for ledger in opened)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET why = 'another'",
        "DELETE FROM audit",
        "UPDATE audit SET why = 'another' WHERE id = 1",
        pytest.param("INSERT OR REPLACE INTO audit SELECT * FROM audit", id="replace"),
        pytest.param("TRUNCATE audit", id="truncate"),
    ],
)
def test_the_database_itself_refuses_to_change_the_audit(ledger_url: str, statement: str) -> None:
    ledger = open_ledger(ledger_url, create=True)
    ledger.ensure([A])
    change(ledger)
    engine = create_engine(ledger_url, poolclass=NullPool)
    with pytest.raises(DatabaseError), engine.begin() as connection:
        connection.execute(text(statement))
    assert [row.entry.why for row in ledger.audit(9)] == ["because"]


def test_a_row_that_somebody_spoiled_is_told(ledger_url: str) -> None:
    ledger = open_ledger(ledger_url, create=True)
    ledger.ensure([A])
    engine = create_engine(ledger_url, poolclass=NullPool)
    for spoiled in ("cap_pct = 77", "stage = 'nowhere'"):
        with engine.begin() as connection:
            connection.execute(text(f"UPDATE route_state SET {spoiled}"))
        with pytest.raises(LedgerError, match="contradicts itself"):
            ledger.routes()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "check ledger.url"),
        ("sqlite:////proc/nowhere/ledger.db", "check ledger.url"),
        ("sqlite:////etc/hostname", "does not work"),
        ("postgresql+psycopg://u:geheim@127.0.0.1:1/x", "does not work"),
    ],
)
def test_a_database_that_cannot_be_opened_is_told_without_its_password(url: str, words: str) -> None:
    with pytest.raises(LedgerError, match=words) as caught:
        open_ledger(url, create="hostname" not in url)
    assert "geheim" not in str(caught.value)


# -- SQLite ----------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "led ger#1%20ü.db"


@pytest.fixture
def on_file(file: Path) -> Ledger:
    ledger = open_ledger(f"sqlite:///{file}", create=True)
    ledger.ensure([A])
    return ledger


def every_call(ledger: Ledger) -> list[Callable[[], object]]:
    return [
        ledger.routes,
        ledger.version,
        lambda: ledger.audit(5),
        lambda: ledger.ensure([A, B]),
        lambda: ledger.lease("x", "y", 1.0, 1.0),
        lambda: ledger.record(entry()),
        lambda: change(ledger, expected=0),
    ]


def test_a_deleted_file_is_noticed_by_every_call_and_never_made_anew(on_file: Ledger, file: Path) -> None:
    file.unlink()
    for call in every_call(on_file):
        with pytest.raises(LedgerError):
            call()
    assert not file.exists()


@pytest.mark.parametrize("kind", ["another ledger", "an empty file", "no database"])
def test_a_file_put_in_its_place_is_noticed(on_file: Ledger, file: Path, kind: str) -> None:
    file.rename(file.with_suffix(".away"))
    if kind == "another ledger":
        open_ledger(f"sqlite:///{file}", create=True).ensure([A])
    else:
        file.write_bytes(b"" if kind == "an empty file" else b"no database " * 999)
    for call in every_call(on_file):
        with pytest.raises(LedgerError):
            call()


def test_a_locked_file_is_told_within_two_seconds_and_works_again_after(on_file: Ledger, file: Path) -> None:
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    for call in (lambda: change(on_file, expected=0), on_file.version):
        began = time.monotonic()
        with pytest.raises(LedgerError, match="another process holds it"):
            call()
        assert time.monotonic() - began < 2
    other.execute("ROLLBACK")
    other.close()
    assert change(on_file).version == 1


def test_a_reader_does_not_stop_a_writer_for_long(on_file: Ledger, file: Path) -> None:
    reader = sqlite3.connect(file)
    reader.execute("SELECT * FROM route_state").fetchall()
    assert change(on_file).version == 1
    reader.close()


WRITER = """
import sys
from migration.bootstrap import open_ledger
from migration.core.stages import ReadStage
from migration.ports import AuditEntry
ledger = open_ledger(sys.argv[1], create=False)
state = ledger.routes()["a"]
print("ready", flush=True)
while True:
    state = ledger.change("a", state.version, stage=ReadStage.SHADOW, cap_pct=0, applied_pct=0,
        mirror_pct=state.version % 100, hold=False, hold_reason="", audit=AuditEntry("w", "x", "y", 1.0))
    print(state.version, flush=True)
"""


def test_a_writer_killed_at_any_point_leaves_row_audit_and_version_in_agreement(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    open_ledger(url, create=True).ensure(["a"])
    dice = random.Random(4711)
    for _ in range(6):
        acknowledged = _write_and_be_killed(url, dice.uniform(0.005, 0.06))
        ledger = open_ledger(url, create=False)
        state, lines = ledger.routes()["a"], ledger.audit(100_000)
        assert state.version >= acknowledged
        assert len(lines) == state.version == ledger.version() - 1
        assert lines[0].after["version"] == state.version
        assert lines[0].after["mirror_pct"] == state.mirror_pct


def _write_and_be_killed(url: str, after: float) -> int:
    """The last version that the writer knew to be kept."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True, cwd=REPO, env=os.environ
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    time.sleep(after)
    writer.send_signal(signal.SIGKILL)
    told = writer.stdout.read().split("\n")
    writer.wait()
    writer.stdout.close()
    return int(told[-2]) if len(told) > 1 else 0


# -- PostgreSQL ------------------------------------------------------------------------------------


@pytest.mark.services
@pytest.mark.parametrize("how", ["frozen", "killed"])
def test_a_postgresql_that_is_away_is_told_in_time_and_works_again_after(
    postgres_server: Any, how: str
) -> None:
    ledger = open_ledger(postgres_server.database(), create=True)
    ledger.ensure([A])
    postgres_server.sigstop() if how == "frozen" else postgres_server.kill9()
    for call in (ledger.routes, lambda: change(ledger, expected=0)):
        began = time.monotonic()
        with pytest.raises(LedgerError, match="the database is up"):
            call()
        assert time.monotonic() - began < 3
    postgres_server.ensure_running()
    assert change(ledger).version == 1


@pytest.mark.services
def test_a_postgresql_frozen_in_mid_transaction_is_left_after_the_deadline(postgres_server: Any) -> None:
    engine = open_engine(postgres_server.database(), create=False)

    def ask() -> None:
        with transaction(engine, writes=True) as connection:
            connection.execute(text("SELECT 1"))
            postgres_server.sigstop()
            connection.execute(text("SELECT 2"))

    began = time.monotonic()
    with pytest.raises(DatabaseError):
        ask()
    assert time.monotonic() - began < DEADLINE + 1


@pytest.mark.services
def test_a_row_locked_by_another_session_is_told_in_time(postgres_database: Callable[[], str]) -> None:
    url = postgres_database()
    ledger = open_ledger(url, create=True)
    ledger.ensure([A])
    with create_engine(url, poolclass=NullPool).begin() as other:
        other.execute(text("SELECT * FROM ledger FOR UPDATE"))
        began = time.monotonic()
        with pytest.raises(LedgerError):
            change(ledger, expected=0)
        assert time.monotonic() - began < 2
        assert ledger.routes()[A].version == 0
    assert change(ledger).version == 1
