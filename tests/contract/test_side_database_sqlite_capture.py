"""SQLite's own ways to write, and tables that only SQLite has."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from sync.adapters.sqlite.database import database
from sync.core import keys
from sync.core.values import Key, Side, SliceSpec, TableSpec
from sync.errors import Refused, SliceStopped
from tests.contract.sqlite_tables import CLOSED, OPEN, SLICE, Odd

T = TableSpec("t", ("id",), ("id",))
PEOPLE = """CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, nick TEXT COLLATE NOCASE,
        team INTEGER, seat INTEGER, UNIQUE (team, seat));
    CREATE UNIQUE INDEX nicks ON people (nick COLLATE NOCASE) WHERE nick IS NOT NULL;"""
ROWS = ("INSERT INTO people VALUES (1, 'a', 'Ann', 1, 1), (2, 'b', 'Bob', 1, 2), (3, 'c', NULL, 2, 1)",)


@pytest.fixture
def people(tmp_path: Path) -> Odd:
    odd = Odd(tmp_path, PEOPLE, {"people": ("id",)})
    odd.write(*ROWS, "DELETE FROM sf_outbox")
    return odd


EVICTING = {
    "INSERT OR REPLACE by a unique column": (
        "INSERT OR REPLACE INTO people VALUES (9, 'a', NULL, 5, 5)", {1}, {9}),
    "REPLACE INTO by two unique indexes": (
        "REPLACE INTO people VALUES (9, 'a', 'bob', 5, 5)", {1, 2}, {9}),
    "by a unique column pair": ("REPLACE INTO people VALUES (9, 'z', NULL, 1, 2)", {2}, {9}),
    "by an index that is partial and knows no case": (
        "REPLACE INTO people VALUES (9, 'z', 'ANN', 5, 5)", {1}, {9}),
    "by the key itself": ("REPLACE INTO people VALUES (2, 'z', NULL, 5, 5)", set(), {2}),
    "by the key and a unique column": ("REPLACE INTO people VALUES (2, 'a', NULL, 5, 5)", {1}, {2}),
    "many rows that push out one another": (
        "REPLACE INTO people VALUES (8, 'a', NULL, 5, 5), (9, 'a', NULL, 6, 6)", {1, 8}, {9}),
    "UPDATE OR REPLACE": ("UPDATE OR REPLACE people SET email = 'a' WHERE id = 2", {1}, {2}),
    "UPDATE OR REPLACE of the key": ("UPDATE OR REPLACE people SET id = 1 WHERE id = 2", {2}, {1}),
    "UPDATE OR REPLACE of all": ("UPDATE OR REPLACE people SET email = 'same'", {1, 2}, {3}),
}  # fmt: skip


@pytest.mark.parametrize("way", EVICTING)
def test_a_row_that_another_one_pushes_out_is_marked_as_deleted(people: Odd, way: str) -> None:
    statement, gone, there = EVICTING[way]
    people.write(statement)
    marks = people.marks()
    left = {key for (key,) in people.read("SELECT id FROM people")}
    assert gone.isdisjoint(left)
    assert there <= left
    assert {key for _, (key,), deleted in marks if deleted} >= gone
    assert {key for _, (key,), _ in marks} == gone | there


KEEPING = {
    "INSERT OR IGNORE": "INSERT OR IGNORE INTO people VALUES (9, 'a', NULL, 5, 5)",
    "ON CONFLICT DO NOTHING": "INSERT INTO people VALUES (9, 'a', NULL, 5, 5) ON CONFLICT DO NOTHING",
    "ON CONFLICT DO UPDATE": "INSERT INTO people VALUES (9, 'a', NULL, 5, 5) "
    "ON CONFLICT (email) DO UPDATE SET seat = 7",
}


@pytest.mark.parametrize("way", KEEPING)
def test_a_row_that_stays_may_be_marked_but_is_still_there_to_be_read(people: Odd, way: str) -> None:
    people.write(KEEPING[way])
    assert {key for _, key, _ in people.marks()} <= {(1,)}
    with closing(people.session()) as session, session.snapshot(SLICE) as snapshot:
        assert set(snapshot.rows("people", [(1,)])) == {(1,)}


def test_a_statement_that_fails_leaves_no_mark(people: Odd) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        people.write("INSERT INTO people VALUES (8, 'z', NULL, 7, 7), (9, 'a', NULL, 5, 5)")
    assert people.marks() == []


def test_a_statement_that_fails_half_way_keeps_the_marks_of_what_it_did(people: Odd) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        people.write("INSERT OR FAIL INTO people VALUES (8, 'z', NULL, 7, 7), (9, 'a', NULL, 5, 5)")
    assert ("people", (8,), False) in people.marks()


@pytest.mark.parametrize("name", ["rowid", "oid", "_rowid_", "id"])
def test_a_key_that_is_changed_under_any_of_its_names_marks_both(people: Odd, name: str) -> None:
    people.write(f"UPDATE people SET {name} = 30 WHERE {name} = 3")
    assert set(people.marks()) == {("people", (3,), True), ("people", (30,), False)}


def test_capture_changes_nothing_that_an_application_can_see_of_its_statement(people: Odd) -> None:
    with closing(people.connect()) as connection:
        cursor = connection.execute("INSERT INTO people (email) VALUES ('new')")
        assert cursor.lastrowid == 4
        assert connection.execute("SELECT last_insert_rowid(), changes()").fetchone() == (4, 1)
        assert connection.execute("UPDATE people SET seat = seat + 10").rowcount == 4
        found = connection.execute("INSERT INTO people (email) VALUES ('r') RETURNING id, email").fetchall()
        assert found == [(5, "r")]


def test_recursive_triggers_mark_no_other_keys(people: Odd) -> None:
    with closing(people.connect()) as connection:
        connection.execute("PRAGMA recursive_triggers = on")
        connection.execute("REPLACE INTO people VALUES (9, 'a', NULL, 5, 5)")
    assert {(key, deleted) for _, key, deleted in people.marks()} == {((1,), True), ((9,), False)}


def test_a_write_through_an_attached_file_is_captured(people: Odd, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "another.db", isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS shop", (str(people.path),))
        connection.execute("UPDATE shop.people SET seat = 9 WHERE id = 1")
    assert people.marks() == [("people", (1,), False)]


SHAPES = {
    "text": ("CREATE TABLE t (k TEXT NOT NULL PRIMARY KEY, v)", ("k",), "'ä\"\\ \n'", ('ä"\\ \n',)),
    "text that looks like a uuid": (
        "CREATE TABLE t (k VARCHAR(36) NOT NULL PRIMARY KEY, v)", ("k",),
        "'6f0d6f0c-59c3-5a43-9c35-0e1a5f6b7f11'", (uuid.UUID("6f0d6f0c59c35a439c350e1a5f6b7f11"),)),
    "uuid as 32 digits": (
        "CREATE TABLE t (k CHAR(32) NOT NULL PRIMARY KEY, v)", ("k",),
        "'6f0d6f0c59c35a439c350e1a5f6b7f11'", (uuid.UUID("6f0d6f0c59c35a439c350e1a5f6b7f11"),)),
    "two columns": (
        "CREATE TABLE t (a INTEGER NOT NULL, k TEXT NOT NULL, v, PRIMARY KEY (k, a))", ("k", "a"),
        "'de', 7", ("de", 7)),
    "without rowid": (
        "CREATE TABLE t (k TEXT NOT NULL PRIMARY KEY, v) WITHOUT ROWID", ("k",), "'x'", ("x",)),
    "without rowid, two columns": (
        "CREATE TABLE t (a INTEGER, k TEXT, v, PRIMARY KEY (k, a)) WITHOUT ROWID", ("k", "a"),
        "'x', 1", ("x", 1)),
    "strict": ("CREATE TABLE t (k TEXT PRIMARY KEY NOT NULL, v ANY) STRICT", ("k",), "'x'", ("x",)),
    "an odd name": ('CREATE TABLE t ("k y" INTEGER PRIMARY KEY, v)', ("k y",), "5", (5,)),
    "a great integer": (
        "CREATE TABLE t (k BIGINT NOT NULL PRIMARY KEY, v)", ("k",), str(2**63 - 1), (2**63 - 1,)),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_a_key_of_any_shape_is_marked_read_and_walked(tmp_path: Path, shape: str) -> None:
    sql, columns, value, key = SHAPES[shape]
    odd = Odd(tmp_path, sql, {"t": columns})
    names = ", ".join(f'"{column}"' for column in columns)
    odd.write(f"INSERT INTO t ({names}, v) VALUES ({value}, 1)", "UPDATE t SET v = 2", "DELETE FROM t")
    odd.write(f"INSERT INTO t ({names}, v) VALUES ({value}, 3)")
    assert odd.marks() == [("t", key, False), ("t", key, False), ("t", key, True), ("t", key, False)]
    with closing(odd.session()) as session, session.snapshot(SLICE) as snapshot:
        assert snapshot.rows("t", [key])[key]["t"]["v"] == 3
        assert snapshot.keys_after("t", None, 10) == [key]
        assert snapshot.keys_after("t", key, 10) == []
        assert snapshot.existing("t", [key]) == {key}
        assert snapshot.pending_among("t", [key], 0) == {key: True}
        assert snapshot.pending_among("t", [key], 3) == {key: False}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_row_with_a_key_of_any_shape_is_applied_and_deleted(tmp_path: Path, shape: str) -> None:
    sql, columns, _, key = SHAPES[shape]
    odd = Odd(tmp_path, sql, {"t": columns}, authority=CLOSED)
    odd.apply(("t", key, {**dict(zip(columns, key, strict=True)), "v": 1}))
    odd.apply(("t", key, {**dict(zip(columns, key, strict=True)), "v": 2}))
    assert odd.read("SELECT v FROM t") == [(2,)]
    odd.apply(("t", key, None))
    assert odd.read("SELECT v FROM t") == []
    assert odd.marks() == []


ODD_KEYS = {
    "NULL": ("TEXT", "NULL", "[null]"),
    "bytes": ("TEXT", "x'00ff'", "[null]"),
    "a fraction": ("", "1.5", "[null]"),
    "text that is not UTF-8": ("TEXT", "CAST(x'636166e9' AS TEXT)", '["caf\\udce9"]'),
    "text with a NUL byte": ("TEXT", "CAST(x'610062' AS TEXT)", '["a\\u0000b"]'),
}


@pytest.mark.parametrize(("kind", "value", "spelled"), ODD_KEYS.values(), ids=ODD_KEYS)
def test_a_key_that_names_no_row_breaks_no_write_and_can_be_told_of(
    tmp_path: Path, kind: str, value: str, spelled: str
) -> None:
    odd = Odd(tmp_path, f"CREATE TABLE t (k {kind} PRIMARY KEY, v)", {"t": ("k",)})
    odd.write(f"INSERT INTO t VALUES ({value}, 1)", "INSERT INTO t VALUES ('well', 1)")
    key = keys.parse(f'{{"odd":{spelled}}}')
    assert odd.marks() == [("t", key, False), ("t", ("well",), False)]
    with closing(odd.session()) as session, session.snapshot(SLICE) as snapshot:
        assert snapshot.existing("t", [key, ("well",)]) == {key, ("well",)}
        assert set(snapshot.rows("t", [key, ("well",)])) == {("well",)}
        assert snapshot.pending_among("t", [key, ("well",)], 0) == {("well",): False}
        walk: list[Key] = []
        while found := snapshot.keys_after("t", walk[-1] if walk else None, 1):
            walk += found
        assert sorted(walk, key=repr) == sorted([key, ("well",)], key=repr), "one at a time, each once"
    odd.write("DELETE FROM t WHERE k IS NOT 'well'")
    with closing(odd.session()) as session, session.snapshot(SLICE) as snapshot:
        assert snapshot.existing("t", [key]) == frozenset()


def test_a_generated_unique_column_pushes_rows_out_too(tmp_path: Path) -> None:
    odd = Odd(
        tmp_path,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, low TEXT AS (lower(name)) STORED UNIQUE)",
        {"t": ("id",)},
    )
    odd.write("INSERT INTO t (id, name) VALUES (1, 'Ann')", "REPLACE INTO t (id, name) VALUES (2, 'ANN')")
    assert odd.marks() == [("t", (1,), False), ("t", (1,), True), ("t", (2,), False)]
    odd.write(
        "INSERT INTO t (id, name) VALUES (3, 'Bob')", "UPDATE OR REPLACE t SET name = 'BOB' WHERE id = 2"
    )
    assert odd.marks(3) == [("t", (3,), False), ("t", (3,), True), ("t", (2,), False)]


# -- the fence ---------------------------------------------------------------------------------------------

WRITES = (
    "INSERT INTO people (email) VALUES ('z')",
    "UPDATE people SET seat = 5",
    "DELETE FROM people",
    "REPLACE INTO people (email) VALUES ('a')",
    "INSERT OR IGNORE INTO people (email) VALUES ('z')",
    "UPDATE OR IGNORE people SET seat = 5 WHERE id = 1",
    "INSERT INTO people (id, email) VALUES (1, 'q') ON CONFLICT (id) DO UPDATE SET email = 'q'",
)


@pytest.mark.parametrize("write", WRITES)
def test_a_closed_side_refuses_each_way_to_write_and_says_where_to_go(people: Odd, write: str) -> None:
    with closing(people.session()) as session:
        closed = type(OPEN)(1, CLOSED.phase)
        assert session.swap(SLICE, OPEN, closed, 1.0)
    before = people.read("SELECT * FROM people")
    with pytest.raises(sqlite3.IntegrityError, match=r"strangler: people .* slice odd .* extracted side"):
        people.write(write)
    assert people.read("SELECT * FROM people") == before
    assert people.marks() == []


def test_a_transaction_that_read_before_the_close_cannot_write_after_it(people: Odd) -> None:
    with closing(people.connect(timeout=0)) as connection, closing(people.session()) as session:
        connection.execute("BEGIN")
        connection.execute("SELECT * FROM people").fetchall()
        assert session.swap(SLICE, OPEN, type(OPEN)(1, CLOSED.phase), 1.0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            connection.execute("UPDATE people SET seat = 1")
        connection.execute("ROLLBACK")


def test_a_cascade_from_outside_is_refused_by_a_closed_side(tmp_path: Path) -> None:
    odd = Odd(
        tmp_path,
        "CREATE TABLE owners (id INTEGER PRIMARY KEY); "
        "CREATE TABLE t (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES owners ON DELETE CASCADE);"
        "INSERT INTO owners VALUES (1); INSERT INTO t VALUES (1, 1);",
        {"t": ("id",)},
        authority=CLOSED,
    )
    with pytest.raises(sqlite3.IntegrityError, match="strangler"):
        odd.write("DELETE FROM owners")


def test_without_its_fence_a_closed_side_is_told_to_be_open(people: Odd) -> None:
    with closing(people.session()) as session:
        assert session.swap(SLICE, OPEN, type(OPEN)(1, CLOSED.phase), 1.0)
        assert not session.fence_open(SLICE)
        people.write('DROP TRIGGER "sf_odd.people.update.fence"')
        assert session.fence_open(SLICE)


# -- tables that are rebuilt ---------------------------------------------------------------------------------


def test_a_table_rebuilt_by_a_batch_migration_is_noticed_and_not_waved_through(people: Odd) -> None:
    people.write(
        "CREATE TABLE new_people AS SELECT * FROM people",
        "DROP TABLE people",
        "CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, nick TEXT, team INTEGER, seat INTEGER)",
        "INSERT INTO people SELECT * FROM new_people",
        "DROP TABLE new_people",
    )
    with closing(people.session()) as session:
        with session.snapshot(SLICE) as snapshot:
            assert not snapshot.stamp.whole
        with pytest.raises(Refused, match="capture install"):
            session.restamp(SLICE)
        session.install(SLICE, OPEN)
        with session.snapshot(SLICE) as snapshot:
            assert snapshot.stamp.whole
    # Nobody knows what was written while the triggers were gone, so every row is carried over again.
    assert people.marks() == [("people", (key,), False) for key in (1, 2, 3)]
    people.write("UPDATE people SET seat = 4 WHERE id = 1")
    assert people.marks()[-1] == ("people", (1,), False)


def test_the_script_for_a_database_administrator_is_all_that_install_does(tmp_path: Path) -> None:
    odd = Odd(tmp_path, PEOPLE, {"people": ("id",)}, install=False)
    with closing(odd.session()) as session, closing(odd.connect()) as connection:
        connection.executescript(session.script(SLICE, OPEN))
        before = session.objects()
        session.install(SLICE, CLOSED)
        assert session.objects() == before
        assert session.authority(SLICE) == OPEN
    odd.write(*ROWS)
    assert len(odd.marks()) == 3


def test_two_slices_in_one_file_leave_each_other_alone(tmp_path: Path) -> None:
    odd = Odd(tmp_path, PEOPLE + "CREATE TABLE t (id INTEGER PRIMARY KEY);", {"people": ("id",)})
    other = SliceSpec("odd2", (replace(odd.spec.entities[0], name="t", legacy=(T,), extracted=(T,)),))
    with closing(database(f"sqlite:///{odd.path}", Side.LEGACY, {"odd2": other}).session()) as session:
        session.install("odd2", CLOSED)
        with pytest.raises(sqlite3.IntegrityError, match="slice odd2"):
            odd.write("INSERT INTO t VALUES (1)")
        odd.write(*ROWS)
        assert len(odd.marks()) == 3
        assert session.pending("odd2", 0) == (0, None)
        gone = session.remove("odd2", everything=True)
        assert not any("people" in name for name in gone)
    odd.write("DELETE FROM people", "INSERT INTO t VALUES (1)")
    assert len(odd.marks()) == 6


def test_what_another_slice_writes_is_nothing_to_wake_up_for(people: Odd) -> None:
    with closing(people.session()) as session:
        assert not session.has_pending(SLICE, 0)
        people.write("INSERT INTO sf_outbox (slice, tbl, pk) VALUES ('other', 't', '[1]')")
        assert not session.has_pending(SLICE, 0)
        people.write("UPDATE people SET seat = 4 WHERE id = 1")
        assert session.has_pending(SLICE, 0)
        (last,) = people.read("SELECT max(seq) FROM sf_outbox")[0]
        assert not session.has_pending(SLICE, last)
        assert session.has_pending(SLICE, 0)
        people.write("UPDATE people SET seat = 5 WHERE id = 1")
        assert session.has_pending(SLICE, last)
        assert session.has_pending(SLICE, 0)


def test_a_follower_whose_table_was_rebuilt_takes_no_round(tmp_path: Path) -> None:
    odd = Odd(tmp_path, PEOPLE, {"people": ("id",)}, authority=CLOSED)
    odd.write("ALTER TABLE people ADD COLUMN more")
    with pytest.raises(SliceStopped, match="migration"):
        odd.apply(("people", (1,), {"id": 1, "email": "a"}))


def test_our_tables_stay_while_a_trigger_of_the_application_asks_for_the_mark(people: Odd) -> None:
    people.write(
        "CREATE TRIGGER own AFTER UPDATE ON people "
        "WHEN NOT EXISTS (SELECT 1 FROM sf_round WHERE slice = 'odd' AND mark = 1) "
        "BEGIN UPDATE people SET team = 1 WHERE id = NEW.id; END"
    )
    with closing(people.session()) as session:
        with pytest.raises(Refused, match="trigger own"):
            session.remove(SLICE, everything=True)
        assert session.objects()
        people.write("DROP TRIGGER own")
        session.remove(SLICE, everything=True)
        assert session.objects() == []
