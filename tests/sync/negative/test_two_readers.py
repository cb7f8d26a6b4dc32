"""Two readers of one outbox that delete what they have read: each sees a part, and nobody sees that."""

from __future__ import annotations

import pytest

from tests.contract.side_databases import Banks
from tests.sync.world import Hand, Ours, log_of, outbox

TEMPTING = "two readers that delete from one outbox"
LOSES = "200 of 300 changes for one reader, 100 for the other"
ACCOUNTS, BATCH = 300, 50


class Deleting:
    """DELETE … RETURNING: atomic, quick, and for one reader only."""

    def __init__(self, banks: Banks) -> None:
        self.legacy = banks.legacy
        self.legacy.install()

    def publish(self) -> None:
        """The outbox is what is read."""

    def read(self, seen: set[str]) -> None:
        """One batch for this reader."""
        marks = outbox(self.legacy)
        oldest = f"SELECT seq FROM {marks} ORDER BY seq LIMIT {BATCH}"
        with Hand(self.legacy, owner=True) as hand:
            seen |= {key for (key,) in hand.do(f"DELETE FROM {marks} WHERE seq IN ({oldest}) RETURNING pk")}


class Log(Ours):
    """Readers follow the log of what was applied, each at a position of its own."""

    def __init__(self, banks: Banks) -> None:
        super().__init__(banks)
        self.at: dict[int, int] = {}

    def publish(self) -> None:
        self.look()

    def read(self, seen: set[str]) -> None:
        asked = (
            f"SELECT pos, key FROM {log_of(self.banks.extracted)} WHERE pos > ? ORDER BY pos LIMIT {BATCH}"
        )
        with Hand(self.banks.extracted, owner=True) as hand:
            for pos, key in hand.do(asked, self.at.get(id(seen), 0)):
                self.at[id(seen)] = pos
                seen.add(key)


@pytest.mark.parametrize(
    ("way", "seen_by_each"),
    [pytest.param(Deleting, (200, 100), id="tempting"), pytest.param(Log, (300, 300), id="ours")],
)
def test_a_reader_takes_away_what_the_other_has_not_seen(
    banks: Banks, way: type[Deleting | Log], seen_by_each: tuple[int, int]
) -> None:
    relay = way(banks)
    with Hand(banks.legacy) as hand:
        hand.do("BEGIN")
        for number in range(1, ACCOUNTS + 1):
            hand.do("INSERT INTO accounts (id, email, balance) VALUES (?, ?, 0)", number, f"{number}@x")
        hand.do("COMMIT")
    relay.publish()
    events: set[str] = set()
    replica: set[str] = set()
    for _ in range(6):  # the one is twice as quick as the other
        relay.read(events)
        relay.read(events)
        relay.read(replica)
    assert (len(events), len(replica)) == seen_by_each
