"""What PostgreSQL alone can do to a capture: ways to write, partitions, children, and what hides rows."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from typing import Any

import psycopg
import pytest

from sync.adapters.postgres.database import database
from sync.core.values import Authority, Key, Phase
from sync.errors import Busy, DatabaseAway, PlanMismatch, Refused, SliceStopped
from tests.contract.side_databases import (
    BANK,
    CLOSED,
    OPEN,
    SPEC,
    Bank,
    Banks,
    one_round,
    open_banks,
    pending,
)

pytestmark = pytest.mark.services
SHUT = Authority(1, Phase.CLOSED)
Marks = list[tuple[str, Key, bool]]
_ONE: Marks = [("accounts", (1,), False)]
_GONE: Marks = [("accounts", (1,), True)]
_MERGE = """MERGE INTO accounts a USING (VALUES (1), (8)) v(n) ON a.id = v.n
    WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (n, 'm', 1)"""
_CTE = """WITH gone AS (DELETE FROM accounts WHERE id = 1 RETURNING id)
    UPDATE accounts SET balance = 2 WHERE id IN (SELECT id + 1 FROM gone)"""
_UPDATE = "UPDATE accounts SET balance = 9 WHERE id = 1"


@pytest.fixture
def banks(postgres_database: Any, tmp_path: Any) -> Banks:
    """Two sides, capture not installed."""
    return open_banks("postgres", tmp_path, postgres_database)


@pytest.fixture
def bank(banks: Banks) -> Bank:
    """Legacy's side with the accounts 1 and 2 and nothing pending."""
    banks.install()
    banks.legacy.write("INSERT INTO accounts (id, email, balance) VALUES (1, '1@x', 0), (2, '2@x', 0)")
    one_round(banks.legacy, banks.extracted)
    return banks.legacy


def connection(bank: Bank) -> psycopg.Connection[tuple[Any, ...]]:
    """The application's."""
    found: psycopg.Connection[tuple[Any, ...]] = bank.application.connect()
    return found


WAYS: dict[str, tuple[str, Marks]] = {
    "insert": ("INSERT INTO accounts VALUES (1000, 'a', 1)", [("accounts", (1000,), False)]),
    "many rows": (
        "INSERT INTO accounts SELECT n, n::text, 1 FROM generate_series(1001, 1003) n",
        [("accounts", (n,), False) for n in (1001, 1002, 1003)],
    ),
    "update": ("UPDATE accounts SET balance = 5 WHERE id = 1", _ONE),
    "update of the key": ("UPDATE accounts SET id = 900 WHERE id = 1", [*_GONE, ("accounts", (900,), False)]),
    "delete": ("DELETE FROM accounts WHERE id = 1", _GONE),
    "upsert that inserts": (
        "INSERT INTO accounts VALUES (7, '7', 1) ON CONFLICT (id) DO UPDATE SET balance = 1",
        [("accounts", (7,), False)],
    ),
    "upsert that updates": (
        "INSERT INTO accounts VALUES (1, '1', 1) ON CONFLICT (id) DO UPDATE SET balance = 1",
        _ONE,
    ),
    "upsert that does nothing": ("INSERT INTO accounts VALUES (1, '1', 1) ON CONFLICT DO NOTHING", []),
    "merge": (
        _MERGE,
        [*_GONE, ("accounts", (8,), False)],
    ),
    "cte": (
        _CTE,
        [*_GONE, ("accounts", (2,), False)],
    ),
    "a function": (
        "DO $$ BEGIN EXECUTE 'UPDATE accounts SET balance = 9 WHERE id = 1'; END $$",
        _ONE,
    ),
    "a savepoint that is rolled back": (
        f"BEGIN; {_UPDATE}; SAVEPOINT s; DELETE FROM accounts; ROLLBACK TO s; COMMIT",
        _ONE,
    ),
    "a transaction that is rolled back": ("BEGIN; DELETE FROM accounts; ROLLBACK", []),
    "as replica": (
        "SET session_replication_role = replica; UPDATE accounts SET balance = 9 WHERE id = 1",
        _ONE,
    ),
    "another role": (f"SET ROLE bank_owner; {_UPDATE}", _ONE),
    "truncate": ("TRUNCATE accounts CASCADE", [*_GONE, ("accounts", (2,), True)]),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_write_is_captured(bank: Bank, way: str) -> None:
    statement, marks = WAYS[way]
    (bank.alter if way in ("as replica", "another role") else bank.write)(statement)
    assert sorted(pending(bank)) == sorted(marks)


def test_copy_is_captured(bank: Bank) -> None:
    copied = "COPY accounts (id, email, balance) FROM STDIN"
    with closing(connection(bank)) as writer, writer.cursor() as cursor, cursor.copy(copied) as copy:
        for number in (11, 12):
            copy.write_row((number, str(number), 1))
    assert sorted(pending(bank)) == [("accounts", (11,), False), ("accounts", (12,), False)]


def test_cascades_and_writes_of_triggers_are_captured(bank: Bank) -> None:
    bank.alter("""CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO transfers (id, account_id, amount) VALUES (NEW.id, NEW.id, 0); RETURN NULL; END $$;
        CREATE TRIGGER noted AFTER INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION note();
        GRANT bank_app TO bank_sync""")
    bank.write("INSERT INTO accounts VALUES (20, '20', 1)")
    bank.write("DELETE FROM accounts WHERE id = 20")
    names = ("accounts", "transfers")
    assert sorted(pending(bank)) == [(name, (20,), gone) for name in names for gone in (False, True)]


def test_a_prepared_transaction_is_waited_for_and_captured(postgres_server: Any, tmp_path: Any) -> None:
    url = postgres_server.url.replace("+psycopg", "")
    with closing(psycopg.connect(url, autocommit=True)) as admin:
        admin.execute("ALTER SYSTEM SET max_prepared_transactions = 4")
    postgres_server.kill9()
    postgres_server.ensure_running()
    bank = open_banks("postgres", tmp_path, postgres_server.database).legacy
    bank.install()
    bank.write("BEGIN; INSERT INTO accounts VALUES (5, '5', 1); PREPARE TRANSACTION 'one'")
    with closing(bank.session()) as session, pytest.raises(Busy):
        session.swap(BANK, OPEN, SHUT, 0.2)
    bank.write("COMMIT PREPARED 'one'")
    with closing(bank.session()) as session:
        assert session.swap(BANK, OPEN, SHUT, 2)
    assert pending(bank) == [("accounts", (5,), False)]


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_truncate_that_cannot_see_all_it_takes_is_refused(bank: Bank, level: str) -> None:
    with closing(connection(bank)) as writer:
        writer.execute(f"BEGIN ISOLATION LEVEL {level}".encode())
        writer.execute("SELECT 1 FROM accounts")
        with pytest.raises(psycopg.DatabaseError, match="READ COMMITTED"):
            writer.execute("TRUNCATE transfers")
    bank.write("TRUNCATE transfers")


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_an_old_snapshot_does_not_pass_the_closed_fence(bank: Bank, level: str) -> None:
    with closing(connection(bank)) as writer, closing(bank.session()) as session:
        writer.execute(f"BEGIN ISOLATION LEVEL {level}".encode())
        writer.execute("SELECT count(*) FROM accounts")
        assert session.swap(BANK, OPEN, SHUT, 2)
        with pytest.raises(psycopg.DatabaseError, match="write there") as refusal:
            writer.execute("UPDATE accounts SET balance = 7 WHERE id = 1")
        assert refusal.value.sqlstate == "SF001"
        writer.execute("ROLLBACK")
        writer.execute(f"BEGIN ISOLATION LEVEL {level}".encode())
        writer.execute("SELECT count(*) FROM accounts")
        assert session.swap(BANK, SHUT, Authority(3, Phase.OPEN), 2)
        with pytest.raises(psycopg.DatabaseError) if level != "READ COMMITTED" else closing(session):
            writer.execute("UPDATE accounts SET balance = 7 WHERE id = 1")


# -- trees of tables -------------------------------------------------------------------------------

_PARTITIONED = """
ALTER TABLE transfers RENAME TO old; ALTER TABLE old RENAME CONSTRAINT transfers_pkey TO old_pkey;
SET ROLE bank_owner;
CREATE TABLE transfers (id int PRIMARY KEY, account_id int, amount int, reference text)
    PARTITION BY RANGE (id);
CREATE TABLE low PARTITION OF transfers FOR VALUES FROM (0) TO (100);
CREATE TABLE high PARTITION OF transfers FOR VALUES FROM (100) TO (1000) PARTITION BY RANGE (id);
CREATE TABLE higher PARTITION OF high FOR VALUES FROM (100) TO (1000)
"""
_INHERITED = """
SET ROLE bank_owner;
CREATE TABLE low () INHERITS (transfers); ALTER TABLE low ADD PRIMARY KEY (id);
CREATE TABLE higher () INHERITS (transfers); ALTER TABLE higher ADD PRIMARY KEY (id)
"""
_ANOTHER = """SET ROLE bank_owner; DROP TABLE account_details; CREATE TABLE account_details (
    account_id int PRIMARY KEY, score float, vip bool, opened_at timestamp, note text, prefs jsonb,
    fee numeric)"""
_TREE_WRITES = (
    ("INSERT INTO low (id, amount) VALUES (1, 1)", [(1, False)]),
    ("INSERT INTO higher (id, amount) VALUES (200, 1)", [(200, False)]),
    ("UPDATE transfers SET amount = 2", [(1, False), (200, False)]),
    ("DELETE FROM higher", [(200, True)]),
    ("TRUNCATE low", [(1, True)]),
)


@pytest.mark.parametrize("shape", [_PARTITIONED, _INHERITED], ids=["partitions", "children"])
def test_writes_to_leaves_are_captured_and_refused_like_those_to_the_table(banks: Banks, shape: str) -> None:
    banks.legacy.alter(shape)
    banks.install()
    bank = banks.legacy
    for statement, _ in _TREE_WRITES:
        bank.write(statement)
    assert [(key, deleted) for _, (key, *_), deleted in pending(bank)] == [
        mark for _, marks in _TREE_WRITES for mark in marks
    ]
    bank.write("INSERT INTO low (id, amount) VALUES (3, 1)")
    with closing(bank.session()) as session:
        assert session.swap(BANK, OPEN, SHUT, 2)
        for statement, _ in _TREE_WRITES:
            with pytest.raises(psycopg.DatabaseError, match="write there"):
                bank.write(statement)
        assert session.remove(BANK, everything=True)
        assert list(session.objects()) == []


def test_a_row_that_moves_between_partitions_is_still_there(banks: Banks) -> None:
    banks.legacy.alter(_PARTITIONED)
    banks.install()
    banks.legacy.write("INSERT INTO transfers (id, amount) VALUES (1, 1)")
    banks.legacy.write("UPDATE transfers SET id = 300")
    one_round(banks.legacy, banks.extracted)
    with closing(banks.extracted.session()) as session:
        assert not session.peers(BANK, "transfer", [(1,)])
    assert banks.extracted.read("SELECT amount FROM transfer") == [(1,)]


@pytest.mark.parametrize(
    "change",
    [
        "SET ROLE bank_owner; CREATE TABLE new PARTITION OF transfers FOR VALUES FROM (1000) TO (2000)",
        "ALTER TABLE transfers DETACH PARTITION low",
        "DROP TABLE low",
        "ALTER TABLE accounts DISABLE TRIGGER sf_bank_capture",
        "ALTER TABLE accounts ENABLE TRIGGER ALL",
        "DROP TRIGGER sf_bank_gate ON accounts",
        "ALTER TABLE accounts ALTER COLUMN balance TYPE bigint",
        "ALTER TABLE accounts OWNER TO bank_app",
        "ALTER TABLE accounts ENABLE ROW LEVEL SECURITY",
        "CREATE OR REPLACE FUNCTION sf.\"pass:bank\"() RETURNS boolean LANGUAGE sql AS 'SELECT true'",
        _ANOTHER,
    ],
)
def test_a_change_of_the_tables_or_of_our_triggers_shows_in_the_stamp(banks: Banks, change: str) -> None:
    banks.legacy.alter(_PARTITIONED)
    banks.install()
    banks.legacy.alter(change)
    with closing(banks.legacy.session()) as session, session.snapshot(BANK) as view:
        assert not view.stamp.whole
    with closing(banks.legacy.session()) as session:
        session.install(BANK, OPEN)
        session.restamp(BANK)
        with session.snapshot(BANK) as view:
            assert view.stamp.whole
        again = [each.code for each in session.audit(BANK) if each.code in ("trigger-missing", "stamp")]
        assert again == []


def test_a_session_finds_a_table_that_was_made_anew_and_captured_again(bank: Bank) -> None:
    with closing(bank.session("relay")) as relay:
        with relay.snapshot(BANK) as view:
            assert view.stamp.whole
        bank.alter(_ANOTHER)
        with relay.snapshot(BANK) as view:
            assert not view.stamp.whole
        with closing(bank.session()) as other:
            other.install(BANK, OPEN)
            other.restamp(BANK)
        with relay.snapshot(BANK) as view:
            assert view.stamp.whole


def test_a_table_that_is_gone_or_locked_is_told_in_time(bank: Bank) -> None:
    with closing(bank.administrator.connect()) as admin, closing(bank.session()) as session:
        admin.execute("BEGIN; LOCK TABLE accounts")
        with pytest.raises(Busy), session.snapshot(BANK):
            raise AssertionError("entered")
        admin.execute("ROLLBACK; DROP TABLE transfers")
        with pytest.raises(PlanMismatch), session.snapshot(BANK):
            raise AssertionError("entered")
    with (
        closing(bank.session()) as session,
        pytest.raises(PlanMismatch, match="transfers"),
        session.snapshot(BANK),
    ):
        raise AssertionError("entered")


def test_rows_that_a_policy_hides_stop_the_slice_instead_of_looking_deleted(bank: Bank) -> None:
    bank.alter("""ALTER TABLE accounts ENABLE ROW LEVEL SECURITY;
        ALTER TABLE accounts FORCE ROW LEVEL SECURITY;
        CREATE POLICY few ON accounts USING (id = 1)""")
    with closing(bank.session()) as session:
        assert "row-level-security" in [each.code for each in session.audit(BANK)]
        with session.snapshot(BANK) as view, pytest.raises(SliceStopped, match="row-level security"):
            view.rows("account", [(1,), (2,)])


def test_what_a_dba_runs_by_hand_is_what_install_would_have_run(banks: Banks) -> None:
    with closing(banks.legacy.session()) as session:
        for statement in session.script(BANK, OPEN).split("COMMIT;\n"):
            banks.legacy.alter(statement + "COMMIT")
        by_hand = session.objects()
        session.install(BANK, CLOSED)
        assert list(session.objects()) == list(by_hand)
        assert session.authority(BANK) == OPEN
        banks.legacy.account(1)
        with session.snapshot(BANK) as view:
            assert view.stamp.whole
            assert len(view.pending(0, 100)) == 2


def test_a_role_that_capture_would_stop_from_writing_is_found_before_it_does(banks: Banks) -> None:
    """Our functions run with the owner's rights; here something takes them away from the application."""
    with closing(banks.legacy.session()) as session:
        session.install(BANK, OPEN)
        session.remove(BANK, everything=False)
        banks.legacy.alter("""ALTER TABLE sf.outbox ADD CONSTRAINT none CHECK (writer = 'nobody') NOT VALID;
            INSERT INTO accounts VALUES (1, '1', 1); INSERT INTO account_details VALUES (1);
            INSERT INTO transfers VALUES (1, 1, 1)""")
        with pytest.raises(Refused, match="bank_app could not write"):
            session.install(BANK, OPEN)
    banks.legacy.write("UPDATE accounts SET balance = 3")


def test_another_role_cannot_pass_as_a_round(bank: Bank) -> None:
    """The mark alone is no key: who logged in counts, whatever SET ROLE says."""
    with closing(bank.session()) as session, closing(bank.administrator.connect()) as other:
        assert session.swap(BANK, OPEN, SHUT, 2)
        other.execute("BEGIN")
        other.execute("UPDATE sf.round SET mark = pg_current_xact_id()::text")
        other.execute("SET LOCAL ROLE bank_sync")
        with pytest.raises(psycopg.DatabaseError, match="write there"):
            other.execute("UPDATE accounts SET balance = 7")


def test_a_holder_that_has_stopped_is_ended_by_the_standby(banks: Banks) -> None:
    banks.install()
    ours = banks.extracted.database
    with closing(ours.session("a")) as stopped, closing(ours.session("b")) as standby:
        begun = stopped.begin_round(BANK, "a", 1)
        transaction = begun.__enter__()
        ended = [ours.terminate(BANK, *who) for who in (("a", 0.0), ("b", 60.0), ("b", 0.0))]
        assert ended == [0, 0, 1]
        with standby.begin_round(BANK, "b", 1) as mine:
            mine.commit()
        with pytest.raises(DatabaseAway):
            transaction.commit()
        begun.__exit__(None, None, None)
        assert standby.seen(BANK).holder == "b"


def test_names_longer_than_an_identifier_and_with_quotes_are_held(
    postgres_database: Any, tmp_path: Any
) -> None:

    banks = open_banks("postgres", tmp_path, postgres_database)
    name = 'a "slice" with a name that is longer than PostgreSQL lets any identifier be, %s'
    bank = banks.legacy
    ours = database(
        bank.url.replace("postgres@", "bank_sync@"), bank.side, {name: dataclasses.replace(SPEC, name=name)}
    )
    with closing(ours.session()) as session:
        session.install(name, OPEN)
        bank.account(1)
        with session.snapshot(name) as view:
            assert len(view.pending(0, 100)) == 2
        assert session.swap(name, OPEN, SHUT, 2)
        with pytest.raises(psycopg.DatabaseError, match="longer than"):
            bank.account(2)
        assert session.remove(name, everything=True)
        assert list(session.objects()) == []
