"""What a monolith must not notice of sync: refusals for a lock, row locks that its vacuum has to pay for."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sync.adapters.sqlite import outbox
from tests.contract.side_databases import Bank, open_banks
from tests.contract.test_side_database_postgres_fence import WRITERS, multixacts, writing
from tests.contract.test_side_database_sqlite_locks import WRITER
from tests.sync import actors
from tests.sync.crew import ACCOUNTS, capture, crew_of, sized

WRITES = sized(2_000, 100_000)
PATIENCE = 5.0  # seconds that a writer waits for a lock: what Python's sqlite3 does unless it is told
SECONDS = sized(3, 60)  # of writing on SQLite
TRIM_ROWS = sized(300, outbox.TRIM_ROWS)  # so that the relay trims the outbox meanwhile


@dataclass(frozen=True, slots=True)
class Told:
    """What the writers were told, all of them together."""

    committed: int
    locked: int


def _write(bank: Bank, writers: int) -> Told:
    path = bank.url.removeprefix("sqlite:///")
    command = [sys.executable, "-c", WRITER, path, str(SECONDS), "BEGIN IMMEDIATE", str(PATIENCE)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(writers)]
    said = [json.loads(each.communicate(timeout=SECONDS + 120)[0]) for each in running]
    assert [each.returncode for each in running] == [0] * writers
    return Told(sum(done for done, _ in said), sum(locked for _, locked in said))


@pytest.mark.slow
def test_three_sqlite_writers_are_told_locked_no_more_often_with_the_relay_than_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(outbox, "TRIM_ROWS", TRIM_ROWS)
    banks = open_banks("sqlite", tmp_path)
    actors.open_accounts(banks, range(1, ACCOUNTS + 1))
    capture(banks)
    actors.fill(banks)
    without = _write(banks.legacy, 3)
    with crew_of(banks, tmp_path) as crew:
        crew.relay()
        beside = _write(banks.legacy, 3)
        crew.end()
        assert crew.failed == [], crew.log
    assert beside.committed > 50
    assert beside.locked <= without.locked
    [(trimmed,)] = banks.legacy.read("SELECT min(seq) - 1 FROM sf_outbox")
    assert trimmed > 0, "the relay has taken no lock on the monolith's file: this has shown nothing"
    with capsys.disabled():
        print(
            f"\nsqlite, {SECONDS} s: without the relay {without}, with it {beside}; {trimmed:,} rows trimmed"
        )


@pytest.mark.services
@pytest.mark.slow
@pytest.mark.alone
def test_fifteen_writers_and_two_relays_leave_postgresqls_multixact_counter_flat(
    tmp_path: Path, postgres_database: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    banks = open_banks("postgres", tmp_path, postgres_database)
    banks.legacy.write(f"INSERT INTO accounts SELECT n, n::text, 0 FROM generate_series(1, {WRITERS}) n")
    capture(banks)
    actors.fill(banks)
    before = multixacts(banks.legacy)
    with crew_of(banks, tmp_path) as crew:
        crew.relay()
        crew.relay()
        began = time.monotonic()
        with writing(banks.legacy, 0) as writers:
            while sum(each.commits for each in writers) < WRITES:
                assert all(each.is_alive() for each in writers), crew.log
                time.sleep(0.1)
        took = time.monotonic() - began
        crew.end()
        assert crew.failed == [], crew.log
    actors.settle(banks)
    assert [each.other for each in writers if each.other] == []
    assert multixacts(banks.legacy) == before
    commits = sum(each.commits for each in writers)
    balances = banks.extracted.read("SELECT balance FROM account")
    assert sum(balance for (balance,) in balances) == commits
    with capsys.disabled():
        print(f"\npostgres: {commits:,} commits of {WRITERS} writers in {took:.0f} s, 0 multixacts")
