"""Capture sees every way to write, and says nothing of what was taken back."""

from __future__ import annotations

import multiprocessing
from contextlib import closing

import pytest

from sync.core.values import Authority, Phase, Side
from sync.errors import NotCaptured, PlanMismatch
from tests.contract.side_databases import (
    ACCOUNT,
    BANK,
    OPEN,
    SPEC,
    Bank,
    Banks,
    one_round,
    pending,
    service_id,
)

WAYS = {
    "an insert": (
        ["INSERT INTO accounts (id, email, balance) VALUES (9, '9@x', 1)"],
        {("accounts", (9,), False)},
    ),
    "an insert that leaves the key to the database": (
        ["INSERT INTO transfers (account_id, amount, reference) VALUES (1, 5, 'new')"],
        {("transfers", (4,), False)},
    ),
    "an insert of many rows": (
        ["INSERT INTO transfers (id, account_id, amount) SELECT id + 100, account_id, amount FROM transfers"],
        {("transfers", (key,), False) for key in (101, 102, 103)},
    ),
    "an update": (
        ["UPDATE accounts SET balance = balance + 1 WHERE id = 2"],
        {("accounts", (2,), False)},
    ),
    "an update of every row": (
        ["UPDATE transfers SET amount = amount * 2"],
        {("transfers", (key,), False) for key in (1, 2, 3)},
    ),
    "an update of the key marks both": (
        ["UPDATE transfers SET id = 70 WHERE id = 1"],
        {("transfers", (1,), True), ("transfers", (70,), False)},
    ),
    "keys that move up by one": (
        ["UPDATE transfers SET id = 4 WHERE id = 3", "UPDATE transfers SET id = 3 WHERE id = 2"],
        {("transfers", (4,), False), ("transfers", (3,), False), ("transfers", (2,), True)},
    ),
    "a delete": (["DELETE FROM transfers WHERE id = 2"], {("transfers", (2,), True)}),
    "a delete of every row": (
        ["DELETE FROM transfers"],
        {("transfers", (key,), True) for key in (1, 2, 3)},
    ),
    "a delete that cascades": (
        ["DELETE FROM accounts WHERE id = 1"],
        {("accounts", (1,), True), ("account_details", (1,), True), ("transfers", (1,), True)},
    ),
    "a delete and the same key again": (
        [
            "DELETE FROM transfers WHERE id = 2",
            "INSERT INTO transfers (id, account_id, amount) VALUES (2, 1, 9)",
        ],
        {("transfers", (2,), True), ("transfers", (2,), False)},
    ),
    "an upsert that updates": (
        [
            """INSERT INTO accounts (id, email, balance) VALUES (2, 'other@x', 7)
            ON CONFLICT (id) DO UPDATE SET balance = 7"""
        ],
        {("accounts", (2,), False)},
    ),
    "an upsert that finds another row by its unique value": (
        [
            """INSERT INTO accounts (id, email, balance) VALUES (50, '2@x', 7)
            ON CONFLICT (email) DO UPDATE SET balance = 8"""
        ],
        {("accounts", (2,), False)},
    ),
    "an upsert that does nothing": (
        ["INSERT INTO accounts (id, email, balance) VALUES (2, 'other@x', 7) ON CONFLICT DO NOTHING"],
        set(),
    ),
    "unique values that change places": (
        [
            "UPDATE transfers SET reference = 'away' WHERE id = 1",
            "UPDATE transfers SET reference = 'r1' WHERE id = 2",
            "UPDATE transfers SET reference = 'r2' WHERE id = 1",
        ],
        {("transfers", (1,), False), ("transfers", (2,), False)},
    ),
    "a row of a further table taken away": (
        ["DELETE FROM account_details WHERE account_id = 2"],
        {("account_details", (2,), True)},
    ),
}


@pytest.fixture
def started(banks: Banks) -> Banks:
    """Three accounts with a transfer each, on both sides, and nothing pending."""
    banks.install()
    for number in (1, 2, 3):
        banks.legacy.account(number)
        banks.legacy.write(
            "INSERT INTO transfers (account_id, amount, reference) VALUES (?, 10, ?)", number, f"r{number}"
        )
    one_round(banks.legacy, banks.extracted)
    assert equal(banks)
    return banks


def equal(banks: Banks) -> bool:
    """Whether the service has what legacy's rows translate to, and nothing else."""
    here, there = banks.legacy.session(), banks.extracted.session()
    with closing(here), closing(there), here.snapshot(BANK) as ours, there.snapshot(BANK) as theirs:
        for entity in SPEC.entities:
            found = ours.rows(entity.name, ours.keys_after(entity.name, None, 10_000))
            expected = {key: entity.forward(rows) for key, rows in found.items()}
            other = theirs.rows(entity.name, theirs.keys_after(entity.name, None, 10_000))
            root = entity.root(Side.EXTRACTED).name
            if {rows[root]["id"]: rows for rows in expected.values()} != {
                rows[root]["id"]: rows for rows in other.values()
            }:
                return False
    return True


def after(banks: Banks) -> set[tuple[str, tuple[object, ...], bool]]:
    """What is pending for the follower."""
    with closing(banks.extracted.session()) as session:
        seq = session.seen(BANK).acked_seq if banks.legacy.engine == "sqlite" else 0
    return set(pending(banks.legacy, seq))


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_write_is_marked_and_a_round_carries_it_over(started: Banks, way: str) -> None:
    statements, expected = WAYS[way]
    for statement in statements:
        started.legacy.write(statement)
    found = after(started)
    assert expected <= found
    # A mark too many is harmless, but for a key that nobody named it would be noise.
    assert {key for _, key, _ in found} <= {key for _, key, _ in expected} | {(2,)}
    one_round(started.legacy, started.extracted)
    assert equal(started)
    assert after(started) == set()


def test_what_is_rolled_back_leaves_no_mark(started: Banks) -> None:
    with closing(started.legacy.application.connect()) as connection:
        connection.execute("BEGIN")
        connection.execute("UPDATE accounts SET balance = 0")
        connection.execute("ROLLBACK")
    assert after(started) == set()


def test_what_a_savepoint_takes_back_leaves_no_mark(started: Banks) -> None:
    with closing(started.legacy.application.connect()) as connection:
        connection.execute("BEGIN")
        connection.execute("UPDATE accounts SET balance = 1 WHERE id = 1")
        connection.execute("SAVEPOINT one")
        connection.execute("UPDATE accounts SET balance = 2 WHERE id = 2")
        connection.execute("ROLLBACK TO one")
        connection.execute("COMMIT")
    assert after(started) == {("accounts", (1,), False)}


def _from_elsewhere(application: object, statement: str) -> None:
    application.write(statement)  # type: ignore[attr-defined]


def test_another_process_is_captured_like_any(started: Banks) -> None:
    context = multiprocessing.get_context("spawn")
    process = context.Process(
        target=_from_elsewhere,
        args=(started.legacy.application, "UPDATE accounts SET balance = 4 WHERE id = 3"),
    )
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert after(started) == {("accounts", (3,), False)}


def test_what_the_tables_own_trigger_writes_is_captured(started: Banks) -> None:
    _add_trigger(started.legacy)
    started.legacy.write("INSERT INTO transfers (id, account_id, amount) VALUES (40, 2, 30)")
    assert after(started) == {("transfers", (40,), False), ("accounts", (2,), False)}


def _add_trigger(bank: Bank) -> None:
    if bank.engine == "sqlite":
        bank.alter(
            "CREATE TRIGGER book AFTER INSERT ON transfers BEGIN "
            "UPDATE accounts SET balance = balance - NEW.amount WHERE id = NEW.account_id; END"
        )
        return
    bank.alter(
        "CREATE FUNCTION book() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "UPDATE accounts SET balance = balance - NEW.amount WHERE id = NEW.account_id; RETURN NULL; END $$"
    )
    bank.alter("CREATE TRIGGER book AFTER INSERT ON transfers FOR EACH ROW EXECUTE FUNCTION book()")


def test_the_services_rows_are_marked_by_their_uuids(banks: Banks) -> None:
    banks.extracted.install(OPEN)
    banks.extracted.write("INSERT INTO account (id, email, balance) VALUES (?, 'a@x', 1)", service_id(7))
    banks.extracted.write("DELETE FROM account")
    assert pending(banks.extracted) == [
        ("account", (service_id(7),), False),
        ("account", (service_id(7),), True),
    ]


# -- what is asked of marks ------------------------------------------------------------------------------


def test_a_key_is_pending_and_deleted_when_one_of_its_marks_says_so(started: Banks) -> None:
    started.legacy.write("UPDATE accounts SET balance = 7 WHERE id = 1")
    started.legacy.account(66)
    started.legacy.write("DELETE FROM accounts WHERE id = 66")
    with closing(started.legacy.session()) as session, session.snapshot(BANK) as snapshot:
        found = snapshot.pending_among("accounts", [(1,), (66,), (3,)], _seq(started))
    assert found == {(1,): False, (66,): True}


def _seq(banks: Banks) -> int:
    with closing(banks.extracted.session()) as session:
        return session.seen(BANK).acked_seq if banks.legacy.engine == "sqlite" else 0


# -- who wrote -------------------------------------------------------------------------------------------


def test_who_wrote_is_known_before_and_after_the_marks_are_gone(started: Banks) -> None:
    with closing(started.legacy.session()) as session:
        before = {each.table: each.rows for each in session.writers(BANK)}
    assert before == {"accounts": 3, "account_details": 3, "transfers": 3}
    started.legacy.write("UPDATE accounts SET balance = 0")
    one_round(started.legacy, started.extracted)
    with closing(started.legacy.session()) as session:
        now = session.writers(BANK)
    assert {each.table: each.rows for each in now} == before | {"accounts": 6}
    assert all(each.name and 0 < each.first <= each.last for each in now)


# -- install and remove ------------------------------------------------------------------------------------


def test_nothing_is_there_before_install_and_nothing_after_everything_was_removed(banks: Banks) -> None:
    with closing(banks.legacy.session()) as session:
        assert session.objects() == []
        assert session.authority(BANK) is None
        session.install(BANK, OPEN)
        assert session.objects()
        assert session.authority(BANK) == OPEN
        assert session.remove(BANK, everything=True)
        assert session.objects() == []
    banks.legacy.account(1)


def test_a_round_without_capture_says_what_to_run(banks: Banks) -> None:
    says = pytest.raises((NotCaptured, PlanMismatch), match="capture")
    with closing(banks.extracted.session()) as session, says, session.begin_round(BANK, "x", 1):
        pass


def test_installing_again_changes_nothing(started: Banks) -> None:
    with closing(started.legacy.session()) as session:
        with session.snapshot(BANK) as snapshot:
            before = (session.objects(), snapshot.stamp, snapshot.incarnation)
        session.install(BANK, Authority(77, Phase.CLOSED))
        with session.snapshot(BANK) as snapshot:
            assert (session.objects(), snapshot.stamp, snapshot.incarnation) == before
        assert session.authority(BANK) == OPEN


def test_without_triggers_the_outbox_and_its_numbers_stay(started: Banks) -> None:
    with closing(started.legacy.session()) as session:
        with session.snapshot(BANK) as snapshot:
            before = snapshot.incarnation.last_seq
        assert session.remove(BANK, everything=False)
        started.legacy.write("UPDATE accounts SET balance = 1")
        session.install(BANK, OPEN)
        with session.snapshot(BANK) as snapshot:
            assert snapshot.incarnation.last_seq >= before > 0


CHANGES = {
    "a new column": "ALTER TABLE accounts ADD COLUMN more INTEGER",
    "a column that goes": "ALTER TABLE accounts DROP COLUMN unmapped",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_table_breaks_the_stamp_until_it_is_installed_again(started: Banks, change: str) -> None:
    started.legacy.alter(CHANGES[change])
    with closing(started.legacy.session()) as session:
        with session.snapshot(BANK) as snapshot:
            assert not snapshot.stamp.whole
        session.install(BANK, OPEN)
        session.restamp(BANK)
        with session.snapshot(BANK) as snapshot:
            assert snapshot.stamp.whole
    started.legacy.write("UPDATE accounts SET balance = 5 WHERE id = 1")
    one_round(started.legacy, started.extracted)
    assert equal(started)


def test_the_stamp_stays_whole_while_rows_come_and_go(started: Banks) -> None:
    started.legacy.write("DELETE FROM transfers")
    with closing(started.legacy.session()) as session, session.snapshot(BANK) as snapshot:
        assert snapshot.stamp.whole


def test_the_script_names_every_table_of_the_slice(banks: Banks) -> None:
    with closing(banks.legacy.session()) as session:
        script = session.script(BANK, OPEN)
    for table in SPEC.tables(Side.LEGACY):
        assert table.name in script
    assert ACCOUNT.root(Side.LEGACY).name in script
