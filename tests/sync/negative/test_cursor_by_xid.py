"""Events in the order of (xid, seq), below every running transaction: none is lost, their order is."""

from __future__ import annotations

import pytest

from tests.contract.side_databases import Banks, service_id
from tests.sync.world import Hand, Ours, apart, copy_all, put

TEMPTING = "cursor by `(xid, seq)` below `pg_snapshot_xmin`"
LOSES = "nothing, but reorders: 4 of 20 accounts end with the value before the last"
ACCOUNTS, REORDERED = range(1, 21), {1, 2, 3, 4}
EVENTS = """
CREATE TABLE events (seq bigserial PRIMARY KEY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    number integer NOT NULL, email text NOT NULL, balance integer NOT NULL);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO public.events (number, email, balance) VALUES (NEW.id, NEW.email, NEW.balance); RETURN NULL;
END $$;
CREATE TRIGGER note AFTER UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION note();
"""
NEXT = """SELECT xid::text, seq, number, email, balance FROM events
    WHERE (xid, seq) > (?::text::xid8, ?) AND xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY xid, seq"""

pytestmark = pytest.mark.services


class ByTransaction:
    """Replays images."""

    def __init__(self, banks: Banks) -> None:
        self.banks = banks
        copy_all(banks)
        banks.legacy.alter(EVENTS)
        self.last: tuple[str, int] = ("0", 0)
        self.seen = 0

    def look(self) -> None:
        """Until every event has been seen: somebody's old transaction may hold some of them back."""
        with Hand(self.banks.legacy, owner=True) as hand:
            while self.seen < hand.do("SELECT count(*) FROM events")[0][0]:
                for xid, seq, number, email, balance in hand.do(NEXT, *self.last):
                    put(self.banks, number, (service_id(number), email, balance, None))
                    self.last, self.seen = (xid, seq), self.seen + 1


@pytest.mark.parametrize(
    ("way", "wrong"),
    [pytest.param(ByTransaction, REORDERED, id="tempting"), pytest.param(Ours, set(), id="ours")],
)
def test_transactions_do_not_write_a_row_in_the_order_of_their_numbers(
    postgres_banks: Banks, way: type[ByTransaction | Ours], wrong: set[int]
) -> None:
    legacy = postgres_banks.legacy
    for number in (*ACCOUNTS, *(100 + each for each in ACCOUNTS)):
        legacy.write("INSERT INTO accounts (id, email, balance) VALUES (?, ?, 0)", number, f"{number}@x")
    relay = way(postgres_banks)
    update = "UPDATE accounts SET balance = ? WHERE id = ?"
    with Hand(legacy) as first, Hand(legacy) as second:
        for number in ACCOUNTS:
            first.do("BEGIN")
            if number in REORDERED:
                first.do(update, 1, 100 + number)  # here it gets its number, below the other one's
            second.do(update, 1, number)
            first.do(update, 2, number)
            first.do("COMMIT")
    relay.look()
    assert set(apart(postgres_banks)) == wrong
