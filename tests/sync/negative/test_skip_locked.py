"""Two workers on one outbox: the one that skips what the other holds may overtake it on the same key."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.contract.side_databases import Banks
from tests.sync.world import Hand, Ours, StateRelay, account_of, apart, put, unless_busy

TEMPTING = "`SKIP LOCKED` with two workers"
LOSES = "2 of 2 accounts end with the older of two values, though every key was read anew"
TAKE = "SELECT seq, pk FROM sf.outbox WHERE tbl = 'accounts' ORDER BY seq LIMIT 1 FOR UPDATE SKIP LOCKED"
ACCOUNTS = (1, 2)

pytestmark = pytest.mark.services


class TwoWorkers(StateRelay):
    """Each takes the oldest mark that nobody holds, reads its row as it is now, applies, deletes."""

    def first_while(self, second: Callable[[], None]) -> None:
        """The first reads its row, the second does all of its work, the first applies."""
        self._work(second)

    def second(self) -> None:
        """The other worker."""
        self._work(lambda: None)

    def _work(self, between: Callable[[], None]) -> None:
        with Hand(self.banks.legacy, owner=True) as hand:
            hand.do("BEGIN")
            [(seq, key)] = hand.do(TAKE)
            number = int(key.strip("[]"))
            row = account_of(hand, number)
            between()
            put(self.banks, number, row)
            hand.do("DELETE FROM sf.outbox WHERE seq = ?", seq)
            hand.do("COMMIT")


class TwoRelays(Ours):
    """The second finds the lease taken."""

    def first_while(self, second: Callable[[], None]) -> None:
        self.round("one", at="round.applied", do=second)

    def second(self) -> None:
        assert not unless_busy(lambda: self.round("two"))


@pytest.mark.parametrize(
    ("way", "wrong"),
    [pytest.param(TwoWorkers, set(ACCOUNTS), id="tempting"), pytest.param(TwoRelays, set(), id="ours")],
)
def test_two_workers_apply_two_values_of_one_row_the_wrong_way_round(
    postgres_banks: Banks, way: type[TwoWorkers | TwoRelays], wrong: set[int]
) -> None:
    legacy = postgres_banks.legacy
    for number in ACCOUNTS:
        legacy.write("INSERT INTO accounts (id, email, balance) VALUES (?, ?, 0)", number, f"{number}@x")
    relay = way(postgres_banks)
    for number in ACCOUNTS:
        legacy.write("UPDATE accounts SET balance = 1 WHERE id = ?", number)

        def second(number: int = number) -> None:
            legacy.write("UPDATE accounts SET balance = 2 WHERE id = ?", number)
            relay.second()

        relay.first_while(second)
    if isinstance(relay, Ours):
        relay.look()
    assert set(apart(postgres_banks)) == wrong
