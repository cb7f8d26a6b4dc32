"""A row that the mapping refuses delays its own aggregate alone, says why, and goes on once it is mended."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from sync.backfill import backfill
from sync.capture import install
from sync.core.values import Held, Rows, SliceSpec
from sync.ports import Pair
from sync.relay import Sessions, sessions
from sync.repair import redrive
from sync.rounds import Work, run_round
from sync.status import status
from sync.verify import verify
from tests.contract.side_databases import (
    ACCOUNT,
    BANK,
    TRANSFER,
    Banks,
    open_banks,
    service_id,
)

POISON = 666  # an amount


def _refuses_transfers(rows: Rows) -> Rows:
    row = rows["transfers"]
    assert row is not None
    if row["amount"] == POISON:
        raise ValueError(f"an amount of {POISON} has no counterpart")
    return TRANSFER.forward(rows)


def _refuses_accounts(rows: Rows) -> Rows:
    row = rows["accounts"]
    assert row is not None
    if row["balance"] == POISON:
        raise ValueError(f"a balance of {POISON} has no counterpart")
    return ACCOUNT.forward(rows)


BROKEN = SliceSpec(
    BANK,
    (
        dataclasses.replace(ACCOUNT, forward=_refuses_accounts),
        dataclasses.replace(TRANSFER, forward=_refuses_transfers),
    ),
)
MENDED = SliceSpec(BANK, (ACCOUNT, TRANSFER))


def _ready(engine: str, folder: Path, postgres: Callable[[], str] | None) -> Banks:
    banks = open_banks(engine, folder, postgres)
    for number in (1, 2):
        banks.legacy.account(number)
    with sessions(_pair(banks, BROKEN), "desk") as both:
        install(both)
        backfill(both.lane(), lambda *_: None, lambda _: False)
        _settle(both)
    return banks


def _pair(banks: Banks, spec: SliceSpec) -> Pair:
    return Pair(spec, banks.legacy.database, banks.extracted.database)


def _settle(both: Sessions) -> None:
    while run_round(both.lane(), Work()).marks:
        pass


def _transfer(banks: Banks, account: int, amount: int, reference: str) -> None:
    banks.legacy.write(
        "INSERT INTO transfers (account_id, amount, reference) VALUES (?, ?, ?)", account, amount, reference
    )
    banks.legacy.write("UPDATE accounts SET balance = balance + ? WHERE id = ?", amount, account)


def _arrived(banks: Banks) -> list[tuple[object, ...]]:
    return banks.extracted.read("SELECT reference, amount FROM transfer ORDER BY reference")


def _balance(banks: Banks, number: int) -> int | None:
    found = banks.extracted.read("SELECT balance FROM account WHERE id = ?", service_id(number))
    return int(found[0][0]) if found else None


def _held(both: Sessions) -> dict[tuple[str, object], Held]:
    return {(each.entity, each.key): each for one in status(both).entities for each in one.held}


def _delays_its_own_aggregate(banks: Banks) -> None:
    _transfer(banks, 1, 5, "before")
    _transfer(banks, 1, POISON, "poison")
    _transfer(banks, 1, 7, "beside")
    _transfer(banks, 2, 8, "elsewhere")
    with sessions(_pair(banks, BROKEN), "relay") as both:
        _settle(both)
        assert _arrived(banks) == [("elsewhere", 8)], "the other aggregate goes on, this one waits whole"
        assert (_balance(banks, 1), _balance(banks, 2)) == (100, 108)
        held = _held(both)
        assert {key for key in held if key[0] == "account"} == {("account", (1,))}
        (poison,) = (each for each in held.values() if not each.waits_for)
        assert (poison.entity, poison.error) == ("transfer", f"an amount of {POISON} has no counterpart")
        assert (poison.root_entity, poison.root_key) == ("account", (1,))
        assert {each.waits_for for each in held.values()} == {"", "transfer 2"}
        banks.legacy.write("UPDATE transfers SET amount = 9 WHERE reference = 'before'")
        banks.legacy.write("UPDATE accounts SET balance = 999 WHERE id = 1")
        banks.legacy.write("DELETE FROM transfers WHERE reference = 'beside'")
        _transfer(banks, 2, 1, "later")
        _settle(both)
        assert _arrived(banks) == [("elsewhere", 8), ("later", 1)], "later changes wait, others do not"
        redrive(both.lane())
        assert len(_held(both)) >= 3, "nothing was mended: nothing leaves"
    with sessions(_pair(banks, MENDED), "relay") as both:
        redrive(both.lane())
        assert _held(both) == {}
        _settle(both)
        assert _arrived(banks) == [("before", 9), ("elsewhere", 8), ("later", 1), ("poison", POISON)]
        assert _balance(banks, 1) == 999
        assert verify(both.lane()).clean


def _needs_it_by_foreign_key(banks: Banks) -> None:
    banks.legacy.account(3, balance=POISON)
    with sessions(_pair(banks, BROKEN), "relay") as both:
        _settle(both)
        assert set(_held(both)) == {("account", (3,))}
        banks.legacy.write(
            "INSERT INTO transfers (account_id, amount, reference) VALUES (3, 4, 'of a held account')"
        )
        _transfer(banks, 2, 8, "elsewhere")
        _settle(both)
        assert _arrived(banks) == [("elsewhere", 8)]
        held = _held(both)
        assert held["transfer", (1,)].waits_for == "account 3"
        assert _balance(banks, 3) is None
    with sessions(_pair(banks, MENDED), "relay") as both:
        redrive(both.lane(), [("account", (3,))])  # named alone: who waits for it comes along
        assert _held(both) == {}
        assert _arrived(banks) == [("elsewhere", 8), ("of a held account", 4)]
        assert _balance(banks, 3) == POISON
        assert verify(both.lane()).clean


SAYINGS = {
    "a poison row delays its own aggregate alone": _delays_its_own_aggregate,
    "what needs it by foreign key waits and says for whom": _needs_it_by_foreign_key,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SAYINGS)
def test_poison_on_sqlite(name: str, tmp_path: Path) -> None:
    SAYINGS[name](_ready("sqlite", tmp_path, None))


@pytest.mark.services
@pytest.mark.parametrize("name", SAYINGS)
def test_poison_on_postgresql(name: str, tmp_path: Path, postgres_database: Callable[[], str]) -> None:
    SAYINGS[name](_ready("postgres", tmp_path, postgres_database))
