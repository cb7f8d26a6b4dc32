"""A backfill that reads a chunk and upserts it: what the relay applied meanwhile is overwritten."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.contract.side_databases import Banks
from tests.sync.world import Hand, Ours, StateRelay, account_of, apart, put, unless_busy

TEMPTING = "backfill by plain upsert"
LOSES = "1 of 3 accounts stale, 1 of 3 resurrected after its deletion"
CHUNK = [1, 2, 3]


class Upserts(StateRelay):
    """The relay is a good one; the backfill does not ask it."""

    def backfill(self, meanwhile: Callable[[], None]) -> None:
        """Read the chunk, let things happen, write the chunk."""
        with Hand(self.banks.legacy) as hand:
            rows = {number: account_of(hand, number) for number in CHUNK}
        meanwhile()
        for number, row in rows.items():
            put(self.banks, number, row)

    def relay(self) -> None:
        self.look()


class Rounds(Ours):
    """A chunk is the key set of a round."""

    def backfill(self, meanwhile: Callable[[], None]) -> None:
        if not unless_busy(lambda: self.round("backfill", CHUNK, "round.snapshot", meanwhile)):
            self.round("backfill", CHUNK)  # SQLite: the relay was first, and the chunk is read anew

    def relay(self) -> None:
        unless_busy(self.look)


@pytest.mark.parametrize(
    ("way", "wrong"),
    [
        pytest.param(Upserts, {1: ((11, None), (100, None)), 2: (None, (100, None))}, id="tempting"),
        pytest.param(Rounds, {}, id="ours"),
    ],
)
def test_a_chunk_is_the_past_by_the_time_it_is_written(
    banks: Banks, way: type[Upserts | Rounds], wrong: dict[int, object]
) -> None:
    for number in CHUNK:
        banks.legacy.account(number)
    relay = way(banks)

    def meanwhile() -> None:
        banks.legacy.write("UPDATE accounts SET balance = 11 WHERE id = 1")
        banks.legacy.write("DELETE FROM accounts WHERE id = 2")
        relay.relay()

    relay.backfill(meanwhile)
    relay.relay()
    assert apart(banks) == wrong
