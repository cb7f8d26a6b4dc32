"""A cursor over seq: a transaction that takes a number early and commits late is never read."""

from __future__ import annotations

import pytest

from tests.contract.side_databases import Banks
from tests.sync.world import Hand, Ours, StateRelay, apart, put
from tests.sync.world import account_of as state

TEMPTING = "relay by a cursor `seq > last`"
LOSES = "5 of 10 new accounts: each that took its number first and committed second"
PAIRS = 5

pytestmark = pytest.mark.services


class Cursor(StateRelay):
    """Remembers the highest number that it has seen."""

    last = 0

    def look(self) -> None:
        asked = "SELECT seq, pk FROM sf.outbox WHERE tbl = 'accounts' AND seq > ? ORDER BY seq"
        with Hand(self.banks.legacy, owner=True) as hand:
            for seq, key in hand.do(asked, self.last):
                number = int(key.strip("[]"))
                put(self.banks, number, state(hand, number))
                self.last = seq


@pytest.mark.parametrize(
    ("way", "lost"),
    [
        pytest.param(Cursor, {1 + 2 * pair for pair in range(PAIRS)}, id="tempting"),
        pytest.param(Ours, set(), id="ours"),
    ],
)
def test_numbers_are_not_taken_in_the_order_of_commits(
    postgres_banks: Banks, way: type[Cursor | Ours], lost: set[int]
) -> None:
    relay = way(postgres_banks)
    insert = "INSERT INTO accounts (id, email, balance) VALUES (?, ?, 1)"
    with Hand(postgres_banks.legacy) as early, Hand(postgres_banks.legacy) as late:
        for pair in range(PAIRS):
            early.do("BEGIN")
            early.do(insert, 2 * pair + 1, f"{pair}@early")
            late.do(insert, 2 * pair + 2, f"{pair}@late")
            relay.look()
            early.do("COMMIT")
            relay.look()
    assert set(apart(postgres_banks)) == lost
