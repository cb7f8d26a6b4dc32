"""Rounds on either engine: what is captured arrives, once, whole, and nothing else is touched."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from sync.core.records import Mismatch, Progress, Settled
from sync.core.values import Authority, Change, Held, Key, Phase, Rows, Side
from sync.errors import CannotApply, NotCaptured, Overtaken, SyncError
from tests.contract.side_databases import (
    ACCOUNT,
    BANK,
    Bank,
    Banks,
    legacy_id,
    one_round,
    pending,
    service_id,
)

PREFS = {"colours": ["red", 'a "quoted" one'], "depth": {"n": 1.5, "none": None}}


def account(number: int, email: str = "", balance: int = 100, **details: Any) -> Rows:
    """An account as the service keeps it."""
    names = ("score", "vip", "opened_at", "note", "prefs", "fee")
    row = {"id": service_id(number), "email": email or f"{number}@x", "balance": balance}
    return {"account": row | {name: details.get(name) for name in names}}


def put(number: int, email: str = "", **rest: Any) -> Change:
    """Have the service's account there."""
    return Change("account", key(number), (number,), account(number, email, **rest))


def drop(number: int) -> Change:
    """Have it gone."""
    return Change("account", key(number), (number,), None, account(number))


def key(number: int) -> Key:
    """The service's key of account `number`."""
    found = service_id(number)
    assert found is not None
    return (found,)


def applied_round(bank: Bank, *changes: Change, epoch: int = 1, **left: Any) -> None:
    """One round on `bank` as follower with these changes."""
    with closing(bank.session("relay")) as session, session.begin_round(BANK, "relay", epoch) as transaction:
        transaction.apply(changes, Settled(transaction.seen.round + 1, transaction.seen.acked_seq, **left))
        transaction.commit()


def emails(bank: Bank) -> list[tuple[Any, ...]]:
    """Who is there on the service's side."""
    return bank.read("SELECT email FROM account ORDER BY email")


def test_what_was_written_arrives_with_every_type_of_column(banks: Banks) -> None:
    banks.install()
    banks.legacy.account(7, "seven@x")
    banks.legacy.write(
        "UPDATE account_details SET score = ?, vip = ?, opened_at = ?, note = ?, prefs = ?, fee = ?",
        *(0.1 + 0.2, False, datetime(2026, 3, 1, 12, 30, 0, 250), "naïve ❄ \"'\\ \n", PREFS, Decimal("1.25")),
    )
    one_round(banks.legacy, banks.extracted)
    with closing(banks.extracted.session()) as session, session.snapshot(BANK) as view:
        assert view.rows("account", [key(7)]) == {
            key(7): account(
                *(7, "seven@x"),
                score=0.30000000000000004,
                vip=False,
                opened_at=datetime(2026, 3, 1, 12, 30, 0, 250),
                note="naïve ❄ \"'\\ \n",
                prefs=PREFS,
                fee=Decimal("1.25"),
            )
        }


def test_an_acknowledged_mark_is_pending_no_more_and_one_written_since_is(banks: Banks) -> None:
    banks.install()
    banks.legacy.account(1)
    assert one_round(banks.legacy, banks.extracted) == 2
    with closing(banks.extracted.session()) as session:
        after = session.seen(BANK).acked_seq if banks.legacy.engine == "sqlite" else 0
    with closing(banks.legacy.session()) as session:
        assert not session.has_pending(BANK, after)
        banks.legacy.write("UPDATE accounts SET balance = 3")
        assert session.has_pending(BANK, after)
        count, age = session.pending(BANK, after)
        assert (count, age is None or 0 <= age < 60) == (1, True)
    assert pending(banks.legacy, after) == [("accounts", (1,), False)]


def test_rows_that_are_gone_on_the_authority_go_with_their_children(banks: Banks) -> None:
    banks.install()
    for number in (1, 2):
        banks.legacy.account(number)
        banks.legacy.write("INSERT INTO transfers (account_id, amount) VALUES (?, 5)", number)
    one_round(banks.legacy, banks.extracted)
    banks.legacy.write("DELETE FROM accounts WHERE id = 1")
    one_round(banks.legacy, banks.extracted)
    assert emails(banks.extracted) == [("2@x",)]
    assert banks.extracted.read("SELECT count(*) FROM transfer") == [(1,)]
    with closing(banks.extracted.session()) as session:
        found = session.applied_of(BANK, "account", [(1,), (2,), (3,)])
        assert {peer: (each.key, each.deleted, each.epoch, each.round) for peer, each in found.items()} == {
            (1,): (key(1), True, 1, 2),
            (2,): (key(2), False, 1, 1),
        }
        assert session.peers(BANK, "account", [key(1), key(9)]) == {key(1): (1,)}


def test_a_round_that_is_left_without_a_commit_has_done_nothing(banks: Banks) -> None:
    banks.install()
    with closing(banks.extracted.session()) as session:
        with session.begin_round(BANK, "relay", 1) as transaction:
            transaction.apply([put(1)], Settled(1, 5))
        assert emails(banks.extracted) == []
        assert session.seen(BANK).round == 0
        assert session.applied(BANK, "account", [key(1)]) == {}
    applied_round(banks.extracted, put(1))
    assert emails(banks.extracted) == [("1@x",)]


def test_what_the_follower_remembers_is_stored_with_the_round(banks: Banks) -> None:
    banks.install()
    walk = Progress("backfill", "account", 1, "[5]", 5, False, 12.5, 2)
    wrong = Mismatch("account", key(4), "changed", "balance: 1, 2", 3.5)
    waits = Held("account", (3,), "account", (3,), "too long", deleted=True, since=2.0, tries=2)
    with closing(banks.extracted.session("one")) as session:
        with session.begin_round(BANK, "one", 1) as transaction:
            left = Settled(1, 17, "n", "id", held=(waits,), progress=(walk,), mismatches=(wrong,))
            transaction.apply([], left)
            transaction.commit()
        seen = session.seen(BANK)
        assert (seen.epoch, seen.round, seen.holder, seen.acked_seq) == (1, 1, "one", 17)
        assert (seen.acked_nonce, seen.identity) == ("n", "id")
        assert list(session.held(BANK)) == [waits]
        assert list(session.progress(BANK)) == [walk]
        assert list(session.mismatches(BANK)) == [wrong]
        again = Held("account", (3,), "account", (3,), "still", since=9.0, tries=3)
        with session.begin_round(BANK, "one", 1) as transaction:
            transaction.apply([], Settled(2, 17, held=(again,), settled=(("account", key(4)),)))
            transaction.commit()
        held = session.held(BANK)[0]
        assert (held.error, held.deleted, held.tries) == ("still", True, 3), "a delete mark stays one"
        assert list(session.mismatches(BANK)) == []
        with session.begin_round(BANK, "one", 1) as transaction:
            assert [each.key for each in transaction.held()] == [(3,)]
            transaction.apply([], Settled(3, 17, released=(("account", (3,)),)))
            transaction.commit()
        assert list(session.held(BANK)) == []


def test_unique_values_that_swap_arrive(banks: Banks) -> None:
    banks.install()
    applied_round(banks.extracted, put(1, "a"), put(2, "b"), put(3, "c"))
    applied_round(banks.extracted, put(1, "b"), put(2, "a"), put(4, "c"), drop(3))
    assert banks.extracted.read("SELECT email FROM account ORDER BY id") == [("b",), ("a",), ("c",)]


def test_the_keys_that_the_database_refuses_are_named_and_nothing_else_is_touched(banks: Banks) -> None:
    banks.install()
    applied_round(banks.extracted, put(1, "a"))
    many = [put(number) for number in range(10, 60)]
    bad = [put(70, "a"), put(71, vip="no boolean" if banks.legacy.engine == "postgres" else object())]
    work = {each.key: each for each in [*many[:30], *bad, *many[30:]]}
    refused: list[Any] = []
    with closing(banks.extracted.session()) as session, session.begin_round(BANK, "relay", 1) as transaction:
        while True:  # an engine may name one kind of problem before it comes to the next
            try:
                transaction.apply(list(work.values()), Settled(2, 0))
                break
            except CannotApply as refusal:
                assert transaction.rows("account", [key(1), key(10), key(59)]).keys() == {key(1)}
                names: list[Any] = [name for _, name in refusal.problems]
                refused += [work.pop(name).key for name in names]
        transaction.commit()
    assert sorted(refused, key=str) == [key(70), key(71)]
    assert len(emails(banks.extracted)) == 51


def test_a_row_whose_parent_is_not_there_is_refused(banks: Banks) -> None:
    banks.install()
    row = {"id": service_id(5), "account_id": service_id(404), "amount": 1, "reference": None}
    with pytest.raises(CannotApply) as refusal:
        applied_round(banks.extracted, Change("transfer", key(5), (5,), {"transfer": row}))
    assert list(refusal.value.problems) == [("transfer", key(5))]
    row = {**row, "account_id": service_id(1)}
    applied_round(banks.extracted, put(1), Change("transfer", key(5), (5,), {"transfer": row}))
    assert banks.extracted.read("SELECT count(*) FROM transfer") == [(1,)]


def test_a_row_that_others_still_refer_to_is_not_deleted(banks: Banks) -> None:
    banks.install()
    row = {"id": service_id(5), "account_id": service_id(1), "amount": 1, "reference": None}
    applied_round(banks.extracted, put(1), Change("transfer", key(5), (5,), {"transfer": row}))
    with pytest.raises(CannotApply) as refusal:
        applied_round(banks.extracted, drop(1))
    assert list(refusal.value.problems) == [("account", key(1))]
    assert banks.extracted.read("SELECT count(*) FROM transfer") == [(1,)]


def test_columns_that_are_not_mapped_keep_what_they_hold(banks: Banks) -> None:
    banks.install()
    banks.legacy.account(1)
    one_round(banks.legacy, banks.extracted)
    with closing(banks.legacy.session()) as session:
        assert session.swap(BANK, Authority(1, Phase.OPEN), Authority(1, Phase.CLOSED), 2)
    rows = ACCOUNT.backward(account(1, "new@x", 250, note="kept"))
    new = ACCOUNT.backward(account(2, "two@x"))
    applied_round(
        banks.legacy, Change("account", (1,), key(1), rows), Change("account", (2,), key(2), new), epoch=2
    )
    assert banks.legacy.read("SELECT id, email, balance, unmapped FROM accounts ORDER BY id") == [
        (1, "new@x", 250, "legacy only"),
        (2, "two@x", 100, "legacy only"),
    ]
    assert banks.legacy.read("SELECT account_id, note FROM account_details") == [(1, "kept")]


def test_a_row_that_a_table_of_the_entity_lacks_is_taken_out_of_that_table(banks: Banks) -> None:
    banks.install()
    banks.legacy.account(1)
    with closing(banks.legacy.session()) as session:
        assert session.swap(BANK, Authority(1, Phase.OPEN), Authority(1, Phase.CLOSED), 2)
    applied_round(banks.legacy, Change("account", (1,), key(1), ACCOUNT.backward(account(1))), epoch=2)
    assert banks.legacy.read("SELECT count(*) FROM account_details") == [(0,)]
    assert banks.legacy.read("SELECT count(*) FROM accounts") == [(1,)]


def test_what_a_round_applies_is_not_captured_again(banks: Banks) -> None:
    banks.install()
    applied_round(banks.extracted, put(1), put(2))
    applied_round(banks.extracted, put(1, "other"), drop(2))
    assert pending(banks.extracted) == []


@pytest.mark.parametrize("side", list(Side))
def test_the_log_has_no_gap_and_speaks_of_the_services_rows(banks: Banks, side: Side) -> None:
    banks.install()
    bank = banks.on(side)
    if side is Side.LEGACY:
        with closing(bank.session()) as session:
            assert session.swap(BANK, Authority(1, Phase.OPEN), Authority(1, Phase.CLOSED), 2)
    before, after = account(1, "a", note="old"), account(1, "b", note="new")
    turn = ACCOUNT.backward if side is Side.LEGACY else lambda rows: rows
    names: tuple[Key, Key] = ((1,), key(1)) if side is Side.LEGACY else (key(1), (1,))
    steps: list[tuple[Rows | None, Rows | None]] = [(None, before), (before, after), (after, None)]
    for old, new in steps:
        change = Change("account", *names, new and turn(new), old and turn(old))
        applied_round(bank, change, epoch=2)
    applied_round(bank, put(2) if side is Side.EXTRACTED else _legacy_put(2), epoch=2, log=False)
    table = "sf_log" if bank.engine == "sqlite" else "sf.log"
    log = bank.administrator.read(
        f"SELECT pos, epoch, round, entity, key, before, after FROM {table} ORDER BY pos"
    )
    assert [row[:4] for row in log] == [(1, 2, 1, "account"), (2, 2, 2, "account"), (3, 2, 3, "account")]
    assert {json.loads(row[4])[0] for row in log} == {str(service_id(1))}
    said = [[_note(row[5]), _note(row[6])] for row in log]
    assert said == [[None, "old"], ["old", "new"], ["new", None]]


def test_a_row_that_the_round_did_not_see_is_changed_beside_those_that_are_new(banks: Banks) -> None:
    banks.install()
    applied_round(banks.extracted, put(1, "a"), put(2, "b"))
    applied_round(banks.extracted, put(1, "c"), put(3, "a"))
    assert emails(banks.extracted) == [("a",), ("b",), ("c",)]


def _legacy_put(number: int) -> Change:
    return Change("account", (number,), key(number), ACCOUNT.backward(account(number)))


def _note(rows: Any) -> Any:
    found = json.loads(rows) if isinstance(rows, str) else rows
    return found and found["account"]["note"]


@pytest.mark.parametrize(
    ("phase", "lease_epoch", "epoch"),
    [(Phase.OPEN, 1, 1), (Phase.OPEN, 0, 9), (Phase.CLOSED, 5, 4)],
    ids=["open", "open, a later epoch", "the lease knows a later epoch"],
)
def test_a_round_that_is_overtaken_does_not_begin(
    banks: Banks, phase: Phase, lease_epoch: int, epoch: int
) -> None:
    banks.install()
    if phase is Phase.OPEN:
        bank = banks.legacy
    else:
        bank = banks.extracted
        applied_round(bank, put(1), epoch=lease_epoch)
    with pytest.raises(Overtaken):
        applied_round(bank, epoch=epoch)


def test_a_side_that_opened_in_mid_round_is_not_written_to(banks: Banks) -> None:
    """SQLite locks nothing before it applies; PostgreSQL's opener waits for the lease."""
    banks.install()
    with closing(banks.extracted.session()) as session, closing(banks.extracted.session()) as flipper:
        with session.begin_round(BANK, "relay", 1) as transaction:
            try:
                opened = flipper.swap(BANK, Authority(0, Phase.CLOSED), Authority(2, Phase.OPEN), 0.3)
            except SyncError:
                opened = False
            if opened:
                with pytest.raises(Overtaken):
                    transaction.apply([put(1)], Settled(1, 1))
            else:
                transaction.apply([put(1)], Settled(1, 1))
                transaction.commit()
        assert emails(banks.extracted) == ([] if opened else [("1@x",)])


def test_where_capture_is_not_installed_no_round_begins_and_there_is_no_authority(banks: Banks) -> None:
    with closing(banks.extracted.session()) as session:
        assert session.authority(BANK) is None
        assert session.objects() == []
        with pytest.raises((NotCaptured, SyncError)), session.begin_round(BANK, "relay", 1):
            raise AssertionError("entered")


def test_a_snapshot_sees_one_moment_and_knows_the_next_keys(banks: Banks) -> None:
    banks.install()
    for number in (1, 2, 3, 5):
        banks.legacy.account(number)
    with closing(banks.legacy.session()) as session, session.snapshot(BANK) as view:
        assert view.stamp.whole
        assert len(view.pending(0, 100)) == 8
        banks.legacy.write("UPDATE accounts SET email = 'later' WHERE id = 1")
        found = view.rows("account", [(1,), (4,)])
        assert {k: (rows["accounts"] or {})["email"] for k, rows in found.items()} == {(1,): "1@x"}
        assert view.existing("account", [(3,), (4,)]) == {(3,)}
        assert [*view.keys_after("account", None, 2)] == [(1,), (2,)]
        assert [*view.keys_after("account", (2,), 9)] == [(3,), (5,)]
        assert view.pending_among("accounts", [(1,), (4,)], 0) == {(1,): False}
        assert legacy_id(service_id(3)) == 3


def test_a_change_of_a_table_shows_in_the_stamp_until_it_is_accepted(banks: Banks) -> None:
    banks.install()
    banks.legacy.alter("ALTER TABLE accounts ADD COLUMN nickname TEXT")
    with closing(banks.legacy.session()) as session:
        with session.snapshot(BANK) as view:
            assert not view.stamp.whole
        session.restamp(BANK)
        with session.snapshot(BANK) as view:
            assert view.stamp.whole


# -- who has what a round needs ----------------------------------------------------------------------------


def test_the_rows_are_named_that_have_a_unique_value_or_refer_to_what_goes(banks: Banks) -> None:
    banks.install()
    row = {"id": service_id(5), "account_id": service_id(3), "amount": 1, "reference": None}
    applied_round(banks.extracted, *(put(each, f"{each}@x") for each in (1, 2, 3)))
    applied_round(banks.extracted, Change("transfer", key(5), (5,), {"transfer": row}))
    changes = [put(1, "2@x"), put(4, "4@x"), put(2, "2@x"), put(9, "3@x"), drop(3)]
    odd = put(8, vip="no boolean" if banks.legacy.engine == "postgres" else object())
    with closing(banks.extracted.session()) as session, session.begin_round(BANK, "relay", 1) as transaction:
        found = transaction.claims([*changes, odd])
        assert transaction.claims([]) == []
        transaction.apply([], Settled(3, 0))  # nothing was broken by asking
    email, refers = ("email",), ()
    assert {(each.wanter, each.holder, each.table, each.columns) for each in found} == {
        (("account", key(1)), ("account", key(2)), "account", email),
        (("account", key(9)), ("account", key(3)), "account", email),
        (("account", key(3)), ("transfer", key(5)), "transfer", refers),
    }
