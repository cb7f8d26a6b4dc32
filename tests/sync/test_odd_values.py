"""Values that people do not think of: none is lost, and none stops what is not to blame for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sync.backfill import backfill
from sync.capture import install
from sync.core.values import Rows, SliceSpec
from sync.ports import Pair
from sync.relay import Sessions, sessions
from sync.rounds import Work, run_round
from sync.verify import verify
from tests.contract.side_databases import ACCOUNT, BANK, SPEC, TRANSFER, Banks, open_banks, service_id


def _ready(
    folder: Path, spec: SliceSpec = SPEC, postgres: Callable[[], str] | None = None
) -> tuple[Banks, Pair]:
    banks = open_banks("postgres" if postgres else "sqlite", folder, postgres)
    for number in (1, 2):
        banks.legacy.account(number)
    pair = Pair(spec, banks.legacy.database, banks.extracted.database)
    with sessions(pair, "desk") as both:
        install(both)
        backfill(both.lane(), lambda *_: None, lambda _: False)
        _settle(both)
    return banks, pair


def _settle(both: Sessions, limit: int = 5000) -> None:
    while run_round(both.lane(), Work(limit=limit)).marks:
        pass


def _service(banks: Banks, column: str, number: int) -> Any:
    return banks.extracted.read(f"SELECT {column} FROM account WHERE id = ?", service_id(number))[0][0]


def test_a_one_that_becomes_true_inside_json_arrives_and_verify_sees_it_where_it_did_not(
    tmp_path: Path,
) -> None:
    banks, pair = _ready(tmp_path)
    with sessions(pair, "relay") as both:
        for said in ('{"a": [1, 0]}', '{"a": [true, 0]}', '{"a": [true, false]}'):
            banks.legacy.write("UPDATE account_details SET prefs = ? WHERE account_id = 1", said)
            _settle(both)
            assert _service(banks, "prefs", 1) == said
        with closing(banks.legacy.application.connect()) as beside:
            beside.execute('DROP TRIGGER "sf_bank.account_details.update"')
            beside.execute("UPDATE account_details SET prefs = '{\"a\": [1, 0]}' WHERE account_id = 1")
        (found,) = verify(both.lane()).found
        assert (found.kind, found.detail) == ("changed", "prefs")


@pytest.mark.parametrize(
    ("column", "value"),
    {
        "JSON nested deeper than Python reads": ("prefs", "[" * 100_000 + "]" * 100_000),
        "a signalling NaN among numbers": ("fee", "sNaN"),
        "a NaN among numbers": ("fee", "NaN"),
    }.values(),
)
def test_a_value_that_cannot_be_read_does_not_stop_the_others(
    column: str, value: str, tmp_path: Path
) -> None:
    banks, pair = _ready(tmp_path)
    banks.legacy.write(f"UPDATE account_details SET {column} = ? WHERE account_id = 1", value)
    banks.legacy.write("UPDATE accounts SET balance = 7 WHERE id = 2")
    with sessions(pair, "relay") as both:
        _settle(both)
        assert _service(banks, "balance", 2) == 7
        assert not verify(both.lane()).found, "held, or there"


def test_what_is_left_of_a_deleted_entity_may_be_deleted_in_a_later_round(tmp_path: Path) -> None:
    banks, pair = _ready(tmp_path)
    with sessions(pair, "relay") as both, closing(banks.legacy.application.connect()) as application:
        application.execute("PRAGMA foreign_keys = off")
        application.execute("DELETE FROM accounts WHERE id = 1")
        _settle(both)
        application.execute("DELETE FROM account_details WHERE account_id = 1")
        _settle(both)
        assert verify(both.lane()).clean
        # A row that takes another's place evicts it and, by cascade, what hangs on it: a mark each.
        application.execute("PRAGMA foreign_keys = on")
        application.execute("INSERT OR REPLACE INTO accounts (id, email, balance) VALUES (5, '2@x', 9)")
        _settle(both, limit=1)
        assert verify(both.lane()).clean
        assert banks.extracted.read("SELECT id, balance FROM account") == [(_stored(5), 9)]


def _stored(number: int) -> str:
    key = service_id(number)
    assert key is not None
    return key.hex


def test_a_mapping_is_asked_once_a_round_even_if_it_changes_what_it_is_given(tmp_path: Path) -> None:
    def tenfold(rows: Rows) -> Rows:
        row = rows["accounts"]
        assert isinstance(row, dict)
        row["balance"] *= 10
        return ACCOUNT.forward(rows)

    spec = SliceSpec(BANK, (dataclasses.replace(ACCOUNT, forward=tenfold), TRANSFER))
    banks, pair = _ready(tmp_path, spec)
    banks.legacy.write("UPDATE accounts SET balance = 2")
    banks.legacy.write("UPDATE account_details SET prefs = x'00' WHERE account_id = 2")  # refused: once more
    with sessions(pair, "relay") as both:
        _settle(both)
        assert _service(banks, "balance", 1) == 20
        assert not verify(both.lane()).found


def test_a_key_that_no_database_can_hold_waits_alone(tmp_path: Path) -> None:
    def huge(rows: Rows) -> Rows:
        row = ACCOUNT.forward(rows)["account"]
        assert row is not None
        return {"account": {**row, "id": 2**80} if row["balance"] == 13 else row}

    spec = SliceSpec(BANK, (dataclasses.replace(ACCOUNT, forward=huge), TRANSFER))
    banks, pair = _ready(tmp_path, spec)
    banks.legacy.account(7, balance=13)
    banks.legacy.write("UPDATE accounts SET balance = 12 WHERE id = 2")
    with sessions(pair, "relay") as both:
        _settle(both)
        assert _service(banks, "balance", 2) == 12
        assert [each.key for each in both.lane().follower.held(BANK)] == [(7,)]


@pytest.mark.services
@pytest.mark.parametrize("value", ["[" * 3000 + "]" * 3000, "1" * 6000], ids=["too deep", "too many digits"])
def test_jsonb_that_python_cannot_read_waits_alone(
    value: str, tmp_path: Path, postgres_database: Callable[[], str]
) -> None:
    banks, pair = _ready(tmp_path, postgres=postgres_database)
    banks.legacy.write("UPDATE account_details SET prefs = CAST(? AS jsonb) WHERE account_id = 1", value)
    banks.legacy.write("UPDATE accounts SET balance = 7 WHERE id = 2")
    with sessions(pair, "relay") as both:
        _settle(both)
        assert _service(banks, "balance", 2) == 7
        assert [each.key for each in both.lane().follower.held(BANK)] == [(1,)]


@pytest.mark.services
def test_a_key_with_half_a_surrogate_pair_waits_alone(
    tmp_path: Path, postgres_database: Callable[[], str]
) -> None:
    def half(rows: Rows) -> Rows:
        row = ACCOUNT.forward(rows)["account"]
        assert row is not None
        return {"account": {**row, "id": "\ud800"} if row["balance"] == 13 else row}

    spec = SliceSpec(BANK, (dataclasses.replace(ACCOUNT, forward=half), TRANSFER))
    banks, pair = _ready(tmp_path, spec, postgres_database)
    banks.legacy.account(7, balance=13)
    banks.legacy.write("UPDATE accounts SET balance = 12 WHERE id = 2")
    with sessions(pair, "relay") as both:
        _settle(both)
        assert _service(banks, "balance", 2) == 12
        assert [each.key for each in both.lane().follower.held(BANK)] == [(7,)]
