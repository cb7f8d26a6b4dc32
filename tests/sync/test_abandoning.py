"""Sync can be abandoned at each stage: nothing of ours stays on either side, and the applications go on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sync import capture
from sync.backfill import backfill
from sync.core.flip import Goal
from sync.core.records import Mismatch
from sync.core.values import Side
from sync.errors import Refused
from sync.flip import flip
from sync.recover import recover
from sync.relay import Sessions, sessions
from sync.rounds import Work, run_round
from sync.verify import verify
from tests.contract.side_databases import Bank, Banks, open_banks, service_id
from tests.sync import actors

# -- what is there, read from the catalogs and not through our code ---------------------------------------

_SQLITE = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2"
_OURS_OR_THE_APPLICATIONS = "regnamespace::text !~ '^(pg_|information_schema)' ORDER BY"
_POSTGRES = {
    "schemas": "SELECT nspname, nspacl::text FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1",
    "relations": f"""SELECT relnamespace::regnamespace::text, relkind::text, relname, relacl::text
        FROM pg_class WHERE relnamespace::{_OURS_OR_THE_APPLICATIONS} 1, 2, 3""",
    "columns": f"""SELECT attrelid::regclass::text, attname, atttypid::text, attacl::text FROM pg_attribute
        JOIN pg_class c ON c.oid = attrelid WHERE relnamespace::{_OURS_OR_THE_APPLICATIONS} 1, 2""",
    "functions": f"SELECT proname FROM pg_proc WHERE pronamespace::{_OURS_OR_THE_APPLICATIONS} 1",
    "types": f"SELECT typname FROM pg_type WHERE typnamespace::{_OURS_OR_THE_APPLICATIONS} 1",
    "triggers": "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2",
    "event triggers": "SELECT evtname FROM pg_event_trigger",
    "publications": "SELECT pubname FROM pg_publication",
    "slots": "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()",
    "default rights": "SELECT defaclobjtype::text, defaclacl::text FROM pg_default_acl ORDER BY 1, 2",
}


def _catalog(bank: Bank) -> Any:
    """Every object of the database with its rights. (SQLite keeps sqlite_sequence once it is there.)"""
    if bank.engine == "sqlite":
        return [row for row in bank.administrator.read(_SQLITE) if not row[1].startswith("sqlite_")]
    return {what: bank.administrator.read(statement) for what, statement in _POSTGRES.items()}


# -- the stages: each is where a slice may stand when it is given up ----------------------------------------


def _captured(banks: Banks, both: Sessions) -> None:
    capture.install(both)
    banks.legacy.write("UPDATE accounts SET balance = 101 WHERE id = 1")


def _backfilling(banks: Banks, both: Sessions) -> None:
    _captured(banks, both)
    looks = iter((False, True))
    assert not backfill(both.lane(), lambda *_: None, lambda _: next(looks, True)).finished


def _in_step(banks: Banks, both: Sessions) -> None:
    _captured(banks, both)
    backfill(both.lane(), lambda *_: None, lambda _: False)
    _settle(both)
    assert verify(both.lane()).clean


def _poisoned(banks: Banks, both: Sessions) -> None:
    _in_step(banks, both)
    banks.extracted.alter("CREATE UNIQUE INDEX balances ON account (balance)")
    both.forget()
    capture.install(both)
    banks.legacy.write("UPDATE accounts SET balance = 100 WHERE id = 1")
    _settle(both)
    assert both.lane().follower.held("bank")


def _flipped_and_back(banks: Banks, both: Sessions) -> None:
    _in_step(banks, both)
    assert flip(both, Side.EXTRACTED).moved
    banks.extracted.write("UPDATE account SET balance = 55 WHERE id = ?", service_id(1))
    with pytest.raises(Refused, match="strangler flip bank --to legacy"):
        capture.remove(both, everything=True)
    assert flip(both, Side.LEGACY, unverified=True).moved
    assert banks.legacy.read("SELECT balance FROM accounts WHERE id = 1") == [(55,)]


class Dead(Exception):
    """The flipper is no more."""


def _half_done_and_aborted(banks: Banks, both: Sessions) -> None:
    _in_step(banks, both)

    def die(step: str) -> None:
        if step == "flip.drained":
            both.forget()
            raise Dead

    with pytest.raises(Dead):
        flip(both, Side.EXTRACTED, step=die)
    recover(both, Goal.ABORT)


def _looked_at(banks: Banks, both: Sessions) -> None:
    """A flip was only asked about: rows and openings were tried, and taken back."""
    _in_step(banks, both)
    assert flip(both, Side.EXTRACTED, dry_run=True).preflight is not None


def _different(banks: Banks, both: Sessions) -> None:
    """Verify has found what somebody spoiled, and nobody has repaired it."""
    _in_step(banks, both)
    key = service_id(1)
    assert key is not None
    found = Mismatch("account", (key,), "changed", "balance", 0.0)
    both.on(Side.EXTRACTED).keep_mismatches("bank", [found])


def _given_up(banks: Banks, both: Sessions) -> None:
    """A flip took itself back after its close."""
    _in_step(banks, both)

    def spoil(step: str) -> None:
        if step == "flip.announce":
            both.on(Side.LEGACY).remove("bank", everything=False)

    assert not flip(both, Side.EXTRACTED, step=spoil).moved


def _flipped(banks: Banks, both: Sessions) -> None:
    """The service has the writes and keeps them: legacy's side is retired."""
    _in_step(banks, both)
    assert flip(both, Side.EXTRACTED).moved
    banks.extracted.write("UPDATE account SET balance = 55 WHERE id = ?", service_id(1))
    _settle(both)
    with pytest.raises(Refused, match="strangler flip bank --to legacy"):
        capture.remove(both, everything=True)


def _settle(both: Sessions) -> None:
    while run_round(both.lane(), Work()).marks:
        pass


STAGES = {
    "captured": _captured,
    "backfilling": _backfilling,
    "in step": _in_step,
    "poisoned": _poisoned,
    "flipped and back": _flipped_and_back,
    "a half-done flip, aborted": _half_done_and_aborted,
    "a flip was asked about": _looked_at,
    "different": _different,
    "a flip that took itself back": _given_up,
    "flipped for good": _flipped,
}


def _remove(banks: Banks, both: Sessions) -> None:
    """`capture remove --all`; with --accept-authority where the service has the writes."""
    kept = both.standing().on(Side.EXTRACTED).open
    capture.remove(both, everything=True, accept_authority=kept)


def _let_a_dba_remove(banks: Banks, both: Sessions) -> None:
    """`capture remove --all --sql`, typed in by somebody else."""
    scripts = capture.removal(both, everything=True)
    both.forget()
    for side, text in scripts.items():
        if banks.on(side).engine == "sqlite":
            with closing(banks.on(side).administrator.connect()) as connection:
                connection.executescript(text)
            continue
        for statement in text.splitlines():
            if not statement.startswith("--"):
                banks.on(side).alter(statement)


def _leaves_nothing(
    stage: Callable[[Banks, Sessions], None],
    banks: Banks,
    remove: Callable[[Banks, Sessions], None] = _remove,
) -> None:
    for number in (1, 2, 3):
        banks.legacy.account(number, balance=97 + number)
    banks.legacy.write("INSERT INTO transfers (account_id, amount, reference) VALUES (1, 5, 'kept')")
    before = {side: _catalog(banks.on(side)) for side in Side}
    with sessions(actors.pair_of(banks), "desk") as both:
        stage(banks, both)
        if stage is _poisoned:
            banks.extracted.alter("DROP INDEX balances")
        rows = _rows(banks)
        assert all(both.on(side).objects() for side in Side)
        remove(banks, both)
        for side in Side:
            assert list(both.on(side).objects()) == []
    assert {side: _catalog(banks.on(side)) for side in Side} == before
    assert _rows(banks) == rows
    _everybody_writes(banks)


def _rows(banks: Banks) -> list[Any]:
    tables = [(Side.LEGACY, name) for name in ("accounts", "account_details", "transfers")]
    tables += [(Side.EXTRACTED, name) for name in ("account", "transfer")]
    return [banks.on(side).read(f"SELECT * FROM {name} ORDER BY 1") for side, name in tables]


def _everybody_writes(banks: Banks) -> None:
    """The application and the owner, on both sides, every way."""
    for who in ("application", "administrator"):
        legacy, service = getattr(banks.legacy, who), getattr(banks.extracted, who)
        legacy.write("UPDATE accounts SET balance = balance + 1")
        legacy.write(
            "INSERT INTO accounts (id, email, balance) VALUES (?, ?, 1)", 90 + len(who), f"{who}@new"
        )
        service.write(
            "INSERT INTO account (id, email, balance) VALUES (?, ?, 1)", service_id(len(who)), f"{who}@s"
        )
        service.write("UPDATE account SET balance = balance + 1")
    banks.legacy.write("DELETE FROM accounts")
    banks.extracted.write("DELETE FROM account")
    assert _rows(banks) == [[], [], [], [], []]


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_nothing_stays_on_sqlite(stage: str, tmp_path: Path) -> None:
    _leaves_nothing(STAGES[stage], open_banks("sqlite", tmp_path))


@pytest.mark.services
@pytest.mark.parametrize("stage", STAGES)
def test_nothing_stays_on_postgresql(
    stage: str, tmp_path: Path, postgres_database: Callable[[], str]
) -> None:
    _leaves_nothing(STAGES[stage], open_banks("postgres", tmp_path, postgres_database))


@pytest.mark.slow
def test_a_script_leaves_nothing_either_on_sqlite(tmp_path: Path) -> None:
    _leaves_nothing(_flipped_and_back, open_banks("sqlite", tmp_path), _let_a_dba_remove)


@pytest.mark.services
def test_a_script_leaves_nothing_either_on_postgresql(
    tmp_path: Path, postgres_database: Callable[[], str]
) -> None:
    banks = open_banks("postgres", tmp_path, postgres_database)
    _leaves_nothing(_flipped_and_back, banks, _let_a_dba_remove)
