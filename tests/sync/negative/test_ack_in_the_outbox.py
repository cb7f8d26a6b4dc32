"""A relay that deletes what it has acknowledged, in a file with one writer: the monolith is told "locked"."""

from __future__ import annotations

import sqlite3

import pytest

from tests.contract.side_databases import Banks
from tests.sync.world import Hand, Ours, StateRelay, apart

TEMPTING = "acknowledgements deleted from SQLite's outbox in each round"
LOSES = "20 of 20 of the monolith's transactions that had read before a round wrote: database is locked"
TURNS = 20


@pytest.mark.parametrize(
    ("way", "failed"), [pytest.param(StateRelay, TURNS, id="tempting"), pytest.param(Ours, 0, id="ours")]
)
def test_a_transaction_that_has_read_cannot_write_after_somebody_else_did(
    sqlite_banks: Banks, way: type[StateRelay | Ours], failed: int
) -> None:
    legacy = sqlite_banks.legacy
    for number in (1, 2):
        legacy.account(number)
    relay = way(sqlite_banks)
    locked = 0
    with Hand(legacy) as monolith:
        for turn in range(TURNS):
            legacy.write("UPDATE accounts SET balance = ? WHERE id = 1", turn)
            monolith.do("BEGIN")
            monolith.do("SELECT balance FROM accounts WHERE id = 2")
            relay.look()
            try:
                monolith.do("UPDATE accounts SET balance = balance + 1 WHERE id = 2")
                monolith.do("COMMIT")
            except sqlite3.OperationalError as error:
                monolith.do("ROLLBACK")
                locked += "locked" in str(error)
    relay.look()
    assert locked == failed
    assert apart(sqlite_banks) == {}
