"""A key that the snapshot does not show is taken for deleted, and it may only be hidden."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pytest

from sync.errors import SliceStopped
from tests.contract.side_databases import BANK, Banks
from tests.sync.world import Hand, Ours, StateRelay, account_of, accounts, put

TEMPTING = "absent in the snapshot is deleted"
LOSES = "15 of 20 rows by row level security, 20 by a rewrite, 10 by a detached partition: all of them live"
ACCOUNTS = range(1, 21)

pytestmark = pytest.mark.services


@dataclass(frozen=True)
class Hiding:
    """How rows become unseen, all but the `live` ones; `told` is why we stop."""

    statement: str
    live: range
    told: str
    meanwhile: bool = False  # after the snapshot has been taken


HIDINGS = {
    "row level security": Hiding(
        "CREATE POLICY few ON accounts USING (id <= 5 OR current_user = 'bank_app');"
        "ALTER TABLE accounts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        range(1, 6),
        "row-level security",
    ),
    "a table rewrite": Hiding(
        "ALTER TABLE accounts ALTER balance TYPE bigint", range(0), "not as capture left", meanwhile=True
    ),
    "a detached partition": Hiding(
        "ALTER TABLE accounts DETACH PARTITION accounts_high", range(1, 11), "cannot be seen"
    ),
}
PARTITIONED = """
DROP TABLE accounts CASCADE;
SET ROLE bank_owner;
CREATE TABLE accounts (id integer PRIMARY KEY, email text NOT NULL, balance integer NOT NULL)
    PARTITION BY RANGE (id);
CREATE TABLE accounts_low PARTITION OF accounts FOR VALUES FROM (0) TO (11);
CREATE TABLE accounts_high PARTITION OF accounts FOR VALUES FROM (11) TO (1000);
"""


class AbsentIsDeleted(StateRelay):
    """Logs in as sync's role does, and reads marks and rows of one snapshot."""

    def look_while(self, meanwhile: Callable[[], None] | None, _told: str) -> None:
        """Once; `meanwhile` happens after the snapshot."""
        with Hand(self.banks.legacy, login="bank_sync") as hand:
            hand.do("BEGIN ISOLATION LEVEL REPEATABLE READ")
            marked = hand.do("SELECT DISTINCT pk FROM sf.outbox WHERE tbl = 'accounts'")
            if meanwhile:
                meanwhile()
            for (key,) in marked:
                number = int(key.strip("[]"))
                put(self.banks, number, account_of(hand, number))


class Blind(Ours):
    """What nobody deleted is hidden: the slice stops. DDL cannot come between the lock and the reading."""

    def look_while(self, meanwhile: Callable[[], None] | None, told: str) -> None:
        if meanwhile:
            self.round(at="round.snapshot", do=lambda: _must_wait(meanwhile))
            meanwhile()
        with pytest.raises(SliceStopped, match=told):
            self.round()

    def accept(self) -> None:
        """Somebody said that the tables are right as they are now: the stamp does not save us."""
        with closing(self.banks.legacy.session()) as session:
            session.restamp(BANK)


def _must_wait(ddl: Callable[[], None]) -> None:
    with pytest.raises(psycopg.errors.LockNotAvailable):
        ddl()


@pytest.mark.parametrize("how", HIDINGS)
@pytest.mark.parametrize("way", [AbsentIsDeleted, Blind], ids=["tempting", "ours"])
def test_what_is_hidden_is_not_deleted(
    postgres_banks: Banks, way: type[AbsentIsDeleted | Blind], how: str
) -> None:
    hiding, legacy = HIDINGS[how], postgres_banks.legacy
    if "partition" in how:
        legacy.alter(PARTITIONED)
    for number in ACCOUNTS:
        legacy.write("INSERT INTO accounts (id, email, balance) VALUES (?, ?, 0)", number, f"{number}@x")
    relay = way(postgres_banks)
    legacy.write("UPDATE accounts SET balance = 1")

    def hide() -> None:
        legacy.alter(f"SET lock_timeout = '200ms'; {hiding.statement}")

    if not hiding.meanwhile:
        hide()
        if isinstance(relay, Blind):
            relay.accept()
    relay.look_while(hide if hiding.meanwhile else None, hiding.told)
    left = set(ACCOUNTS) if way is Blind else set(hiding.live)
    assert set(accounts(postgres_banks.extracted)) == left
