"""One version a follower's row, taken from seq: the older number may bring the newer truth."""

from __future__ import annotations

import pytest

from tests.contract.side_databases import Banks
from tests.sync.world import Hand, Ours, StateRelay, account_of, apart, put

TEMPTING = "version = seq, for an entity with two source rows"
LOSES = "an acknowledged note: its mark is older than the version that the row has, is refused, and deleted"

pytestmark = pytest.mark.services


class Versions(StateRelay):
    """Reads whole entities, and applies what is newer than the last it applied."""

    def __init__(self, banks: Banks) -> None:
        super().__init__(banks)
        self.versions: dict[int, int] = {}

    def look(self) -> None:
        with Hand(self.banks.legacy, owner=True) as hand:
            hand.do("BEGIN ISOLATION LEVEL REPEATABLE READ")
            newest = hand.do("SELECT pk, max(seq) FROM sf.outbox GROUP BY pk")
            for key, seq in newest:
                number = int(key.strip("[]"))
                if seq > self.versions.get(number, 0):
                    put(self.banks, number, account_of(hand, number))
                    self.versions[number] = seq
            hand.do("DELETE FROM sf.outbox WHERE seq = ANY(?)", [seq for _, seq in newest])
            hand.do("COMMIT")


@pytest.mark.parametrize(
    ("way", "lost"),
    [
        pytest.param(Versions, {1: ((5, "remember me"), (5, None))}, id="tempting"),
        pytest.param(Ours, {}, id="ours"),
    ],
)
def test_the_second_source_row_is_refused_as_old(
    postgres_banks: Banks, way: type[Versions | Ours], lost: dict[int, object]
) -> None:
    postgres_banks.legacy.account(1)
    relay = way(postgres_banks)
    with Hand(postgres_banks.legacy) as slow, Hand(postgres_banks.legacy) as quick:
        slow.do("BEGIN")
        slow.do("UPDATE account_details SET note = 'remember me' WHERE account_id = 1")
        quick.do("UPDATE accounts SET balance = 5 WHERE id = 1")
        relay.look()
        slow.do("COMMIT")
        relay.look()
    relay.look()
    assert apart(postgres_banks) == lost
