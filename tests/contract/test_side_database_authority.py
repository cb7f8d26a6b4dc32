"""Who may write: the authority row, its fence, and closing under writers, on either engine."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from typing import Any

import pytest

from sync.core.records import Settled
from sync.core.values import Authority, Change, Phase, Side
from sync.errors import Busy
from sync.ports import Session
from tests.contract.side_databases import BANK, CLOSED, OPEN, Bank, Banks, pending, service_id

SHUT = Authority(1, Phase.CLOSED)
AGAIN = Authority(3, Phase.OPEN)
INSERT = "INSERT INTO accounts (id, email, balance) VALUES (?, ?, 1)"
WRITES = [
    "INSERT INTO accounts (id, email, balance) VALUES (50, 'n@x', 1), (51, 'm@x', 1)",
    "UPDATE accounts SET balance = balance + 1 WHERE id = 1",
    "UPDATE accounts SET id = 77 WHERE id = 3",
    "DELETE FROM accounts WHERE id = 1",
    "INSERT INTO accounts (id, email, balance) VALUES (1, 'n', 1) ON CONFLICT (id) DO UPDATE SET balance = 9",
    "WITH few AS (SELECT 1 AS n) UPDATE accounts SET balance = 0 WHERE id IN (SELECT n FROM few)",
    "DELETE FROM account_details",
    "INSERT INTO transfers (account_id, amount) VALUES (1, 1)",
]


def everything(bank: Bank) -> list[Any]:
    """Every row of the bank."""
    names = ("accounts", "account_details", "transfers")
    return [bank.read(f"SELECT * FROM {name} ORDER BY 1") for name in names]


def swap(bank: Bank, expected: Authority, new: Authority, deadline: float = 2) -> bool:
    """With a session of its own."""
    with closing(bank.session("flip")) as session:
        return session.swap(BANK, expected, new, deadline)


@pytest.fixture
def bank(banks: Banks) -> Bank:
    """Legacy's side with three accounts, one of them without details, open."""
    banks.install()
    banks.legacy.account(1)
    banks.legacy.account(2)
    banks.legacy.write(INSERT, 3, "3@x")
    return banks.legacy


@pytest.mark.parametrize("statement", WRITES, ids=lambda text: text[:40])
def test_a_closed_side_refuses_every_write_and_says_where_to_write(bank: Bank, statement: str) -> None:
    assert swap(bank, OPEN, SHUT)
    before = everything(bank)
    with pytest.raises(Exception, match=BANK) as refusal:
        bank.write(statement)
    assert "write there" in str(refusal.value)
    assert everything(bank) == before
    assert swap(bank, SHUT, AGAIN)
    bank.write(statement)
    assert everything(bank) != before


def test_the_side_that_has_never_been_open_refuses_too(banks: Banks) -> None:
    banks.install()
    with pytest.raises(Exception, match=BANK):
        banks.extracted.write("INSERT INTO account (id, email, balance) VALUES (?, 'n', 1)", service_id(5))


def test_the_row_and_the_fence_say_the_same(bank: Bank) -> None:
    with closing(bank.session()) as session:
        assert (session.authority(BANK), session.fence_open(BANK)) == (OPEN, True)
        for was, now, is_open in (
            (OPEN, SHUT, False),
            (SHUT, AGAIN, True),
            (AGAIN, Authority(3, Phase.CLOSED), False),
            (Authority(3, Phase.CLOSED), Authority(4, Phase.INTENT), False),
            (Authority(4, Phase.INTENT), Authority(4, Phase.ABORTED), False),
            (Authority(4, Phase.ABORTED), Authority(6, Phase.INTENT), False),
            (Authority(6, Phase.INTENT), Authority(6, Phase.OPEN), True),
        ):
            assert session.swap(BANK, was, now, 2)
            assert (session.authority(BANK), session.fence_open(BANK)) == (now, is_open)
            assert not session.mend_fence(BANK)


@pytest.mark.parametrize("expected", [Authority(2, Phase.OPEN), SHUT, Authority(0, Phase.INTENT)])
def test_a_swap_that_expects_another_row_changes_nothing(bank: Bank, expected: Authority) -> None:
    assert not swap(bank, expected, AGAIN)
    assert not swap(bank, expected, Authority(1, Phase.CLOSED))
    with closing(bank.session()) as session:
        assert (session.authority(BANK), session.fence_open(BANK)) == (OPEN, True)
    bank.write(INSERT, 9, "n")


def test_of_many_who_swap_the_same_row_one_has_it(bank: Bank) -> None:
    results: list[bool] = []
    begin = threading.Barrier(6)

    def attempt() -> None:
        with closing(bank.session("flip")) as session:
            begin.wait()
            try:
                results.append(session.swap(BANK, OPEN, SHUT, 5))
            except Busy:
                results.append(False)

    threads = [threading.Thread(target=attempt) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(results) == [False] * 5 + [True]


def test_opening_stores_its_epoch_in_the_lease(bank: Bank) -> None:
    assert swap(bank, OPEN, SHUT)
    assert swap(bank, SHUT, AGAIN)
    with closing(bank.session()) as session:
        assert session.seen(BANK).epoch == 3


def test_closing_waits_for_a_writer_under_way_no_longer_than_its_deadline(bank: Bank) -> None:
    with closing(bank.application.connect()) as writer:
        writer.execute("BEGIN")
        writer.execute("INSERT INTO accounts (id, email, balance) VALUES (9, 'n', 1)")
        began = time.monotonic()
        with pytest.raises(Busy):
            swap(bank, OPEN, SHUT, 0.3)
        assert 0.2 < time.monotonic() - began < 3
        with closing(bank.session()) as session:
            assert (session.authority(BANK), session.fence_open(BANK)) == (OPEN, True), "nothing has changed"
        closer = threading.Thread(target=swap, args=(bank, OPEN, SHUT, 5))
        closer.start()
        time.sleep(0.2)
        assert closer.is_alive()
        writer.execute("COMMIT")
        closer.join(5)
    assert bank.read("SELECT email FROM accounts WHERE id = 9") == [("n",)]
    assert ("accounts", (9,), False) in pending(bank)
    with pytest.raises(Exception, match=BANK):
        bank.write(INSERT, 10, "m")


@pytest.mark.parametrize("reads_first", [True, False])
def test_a_transaction_that_began_before_the_close_writes_nothing_after_it(
    bank: Bank, reads_first: bool
) -> None:
    with closing(bank.application.connect()) as writer:
        writer.execute("BEGIN")
        if reads_first:
            writer.execute("SELECT count(*) FROM accounts").fetchall()
        assert swap(bank, OPEN, SHUT)
        with pytest.raises(Exception):  # noqa: B017  # whatever the driver calls it
            writer.execute("INSERT INTO accounts (id, email, balance) VALUES (9, 'n', 1)")
    assert bank.read("SELECT count(*) FROM accounts") == [(3,)]


def test_nothing_is_lost_between_a_close_and_the_last_round(bank: Bank) -> None:
    """Every write that was acknowledged before the close is pending after it; none comes later."""
    acknowledged: list[int] = []
    stop = threading.Event()

    def write(first: int) -> None:
        number = first
        with closing(bank.application.connect()) as connection:
            while not stop.is_set():
                statement = f"INSERT INTO accounts (id, email, balance) VALUES ({number}, 'e{number}', 1)"
                try:
                    connection.execute(statement)
                except Exception as error:  # noqa: BLE001  # each driver's own
                    if BANK in str(error):
                        return
                    continue
                acknowledged.append(number)
                number += 1

    threads = [threading.Thread(target=write, args=(base,)) for base in (1000, 100_000, 200_000)]
    for each in threads:
        each.start()
    time.sleep(0.5)
    with closing(bank.session()) as session:
        _close(session)
    known = {number for (name, (number, *_), _) in pending(bank) if name == "accounts"}
    stop.set()
    for each in threads:
        each.join()
    assert len(acknowledged) > 20
    assert set(acknowledged) <= known
    assert {row[0] for row in bank.read("SELECT id FROM accounts")} == known


def _close(session: Session) -> None:
    for _ in range(20):
        try:
            assert session.swap(BANK, OPEN, SHUT, 1)
            return
        except Busy:
            continue
    raise AssertionError("could not close")


def test_a_round_writes_to_a_closed_side_and_nobody_else_meanwhile(bank: Bank) -> None:
    assert swap(bank, OPEN, SHUT)
    rows = {"accounts": {"id": 1, "email": "changed", "balance": 5}, "account_details": None}
    with closing(bank.session("relay")) as session:
        with session.begin_round(BANK, "relay", 2) as transaction:
            transaction.apply([Change("account", (1,), (1,), rows)], Settled(1, 0))
            transaction.commit()
        assert bank.read("SELECT email FROM accounts WHERE id = 1") == [("changed",)]
    with pytest.raises(Exception, match=BANK):
        bank.write("UPDATE accounts SET email = 'mine'")


def test_refusals_are_counted_where_the_engine_can(bank: Bank) -> None:
    with closing(bank.session()) as session:
        before = session.refused(BANK)
        assert swap(bank, OPEN, SHUT)
        for _ in range(3):
            with pytest.raises(Exception, match=BANK):
                bank.write("DELETE FROM accounts")
        assert (before, session.refused(BANK)) == ((None, None) if bank.engine == "sqlite" else (0, 3))


def test_what_is_removed_leaves_nothing_behind_and_the_tables_as_they_were(banks: Banks) -> None:
    banks.install()
    banks.legacy.account(1)
    for side in Side:
        bank = banks.on(side)
        with closing(bank.session()) as session:
            kept = session.objects()
            assert kept
            session.remove(BANK, everything=False)
            assert set(session.objects()) < set(kept)
            assert session.authority(BANK) == (OPEN if side is Side.LEGACY else CLOSED)
            session.install(BANK, OPEN)
            assert list(session.objects()) == list(kept), "installing again brings everything back"
            assert session.remove(BANK, everything=True)
            assert list(session.objects()) == []
            assert session.authority(BANK) is None
    banks.legacy.write("UPDATE accounts SET balance = 1")
    banks.extracted.write("DELETE FROM account")


def test_installing_again_changes_nothing(banks: Banks) -> None:
    banks.install()
    with closing(banks.legacy.session()) as session:
        before = session.objects()
        with session.snapshot(BANK) as view:
            stamp = view.stamp
        assert session.swap(BANK, OPEN, SHUT, 2)
        session.install(BANK, OPEN)
        assert session.authority(BANK) == SHUT
        assert list(session.objects()) == list(before)
        with session.snapshot(BANK) as view:
            assert view.stamp == stamp
