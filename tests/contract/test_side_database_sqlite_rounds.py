"""A round on SQLite: who is to blame for a refusal, and what a lock, a restored or a broken file does."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sync.adapters.sqlite import line
from sync.adapters.sqlite.database import database
from sync.core.records import Settled
from sync.core.values import Authority, Change, Phase, Side
from sync.errors import Busy, CannotApply, DatabaseAway, Overtaken, PlanMismatch
from tests.contract.sqlite_tables import CLOSED, OPEN, SLICE, Odd

UNIQUE = """CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, rank INTEGER NOT NULL UNIQUE,
        small TEXT NOT NULL CHECK (length(small) < 9) UNIQUE);
    INSERT INTO t VALUES (1, 'a', 1, 's1'), (2, 'b', 2, 's2'), (3, 'c', 3, 's3');"""


KIDS = "CREATE TABLE kids (t INTEGER REFERENCES t ON DELETE CASCADE);"


def row(key: int, name: str, rank: int, small: str) -> tuple[str, tuple[int], dict[str, Any]]:
    """One row of `t`."""
    return "t", (key,), {"id": key, "name": name, "rank": rank, "small": small}


def test_unique_values_that_change_places_are_set_without_deleting_a_row(tmp_path: Path) -> None:
    odd = Odd(tmp_path, UNIQUE + KIDS, {"t": ("id",)}, authority=CLOSED)
    odd.write("INSERT INTO kids VALUES (1), (2), (3)")
    odd.apply(row(1, "b", 2, "s1"), row(2, "c", 3, "s2"), row(3, "a", 1, "s3"))
    assert odd.read("SELECT id, name, rank FROM t ORDER BY id") == [(1, "b", 2), (2, "c", 3), (3, "a", 1)]
    assert odd.read("SELECT count(*) FROM kids") == [(3,)]


def test_a_unique_value_is_taken_over_from_a_row_that_is_deleted_in_the_same_round(tmp_path: Path) -> None:
    odd = Odd(tmp_path, UNIQUE, {"t": ("id",)}, authority=CLOSED)
    odd.apply(row(9, "a", 1, "s9"), ("t", (1,), None))
    assert odd.read("SELECT id, name FROM t WHERE name = 'a'") == [(9, "a")]


def test_a_value_that_a_row_outside_of_the_round_has_is_refused_to_one_alone(tmp_path: Path) -> None:
    odd = Odd(tmp_path, UNIQUE, {"t": ("id",)}, authority=CLOSED)
    with pytest.raises(CannotApply) as refused:
        odd.apply(row(1, "c", 10, "s1"), row(2, "x", 20, "s2"))
    assert set(refused.value.problems) == {("t", (1,))}
    assert odd.read("SELECT name FROM t ORDER BY id") == [("a",), ("b",), ("c",)]


FAMILY = """CREATE TABLE p (id INTEGER PRIMARY KEY);
    CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p ON DELETE CASCADE);
    CREATE TABLE outside (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p);
    INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1, 1); INSERT INTO outside VALUES (5, 2);"""


@pytest.fixture
def family(tmp_path: Path) -> Odd:
    return Odd(tmp_path, FAMILY, {"p": ("id",), "c": ("id",)}, authority=CLOSED)


REFUSED = {
    "a child of nobody": ([("c", (7,), {"id": 7, "p": 66})], {("c", (7,))}),
    "a parent whose child stays": ([("p", (1,), None)], {("p", (1,))}),
    "a parent that a table outside refers to": ([("p", (2,), None)], {("p", (2,))}),
    "two of three": (
        [("c", (7,), {"id": 7, "p": 66}), ("c", (8,), {"id": 8, "p": 1}), ("p", (2,), None)],
        {("c", (7,)), ("p", (2,))},
    ),
    "a child whose parent goes in the same round": (
        [("c", (9,), {"id": 9, "p": 1}), ("c", (1,), None), ("p", (1,), None)],
        {("c", (9,)), ("p", (1,))},
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_reference_to_nothing_is_refused_by_the_key_that_is_to_blame(family: Odd, case: str) -> None:
    changes, blamed = REFUSED[case]
    before = family.read("SELECT 'p', id, 0 FROM p UNION ALL SELECT 'c', id, p FROM c")
    with pytest.raises(CannotApply) as refused:
        family.apply(*changes)
    assert set(refused.value.problems) == blamed
    assert family.read("SELECT 'p', id, 0 FROM p UNION ALL SELECT 'c', id, p FROM c") == before


def test_a_parent_and_its_children_come_and_go_in_one_round(family: Odd) -> None:
    family.apply(("p", (3,), {"id": 3}), ("c", (4,), {"id": 4, "p": 3}), ("c", (1,), None), ("p", (1,), None))
    assert family.read("SELECT id FROM p ORDER BY id") == [(2,), (3,)]
    assert family.read("SELECT id, p FROM c") == [(4, 3)]


def test_a_reference_to_a_table_that_does_not_exist_holds_up_nothing(tmp_path: Path) -> None:
    odd = Odd(
        tmp_path,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a REFERENCES no, b REFERENCES no (id), c REFERENCES t (x))",
        {"t": ("id",)},
        authority=CLOSED,
    )
    odd.apply(("t", (1,), {"id": 1, "a": 5, "b": 5, "c": 5}))
    odd.apply(("t", (1,), None))
    assert odd.read("SELECT * FROM t") == []


TYPED = """CREATE TABLE t (id INTEGER PRIMARY KEY, b BOOLEAN, i INTEGER, r REAL, n NUMERIC(10, 2),
    s VARCHAR(9), u CHAR(32), k VARCHAR(36), d DATE, dt DATETIME, tz TIMESTAMPTZ, j JSON, x BLOB, f UUID)"""
SOME = UUID("6f0d6f0c-59c3-5a43-9c35-0e1a5f6b7f11")
VALUES: dict[str, list[tuple[Any, Any]]] = {
    "b": [(True, 1), (False, 0), (None, None), (5, 5)],
    "i": [(2**63 - 1, 2**63 - 1), (Decimal(7), 7), ("odd", "odd")],
    "r": [(0.1 + 0.2, 0.1 + 0.2), (Decimal("0.5"), 0.5)],
    "n": [
        (Decimal("19.90"), 19.9),
        (Decimal(7), 7),
        (Decimal("1E+20"), 1e20),
    ],
    "s": [("ä\n\x00ü", "ä\n\x00ü"), ("", "")],
    "u": [(SOME, SOME.hex), ("short", "short")],
    "k": [(str(SOME), str(SOME))],
    "d": [(date(2026, 2, 28), "2026-02-28")],
    "dt": [(datetime(2026, 2, 28, 1, 2, 3, 4), "2026-02-28 01:02:03.000004"), (1700000000, 1700000000)],
    "tz": [(datetime(2026, 2, 28, 1, 2, 3, tzinfo=UTC), "2026-02-28 01:02:03.000000+00:00")],
    "j": [({"a": [1, None, "ü"]}, '{"a": [1, null, "\\u00fc"]}'), ([], "[]"), (True, "true"), (7, 7)],
    "x": [(b"\x00\xff", b"\x00\xff")],
    "f": [(SOME, SOME.hex)],
}


@pytest.mark.parametrize(
    ("column", "value", "stored"),
    [(column, value, stored) for column, cases in VALUES.items() for value, stored in cases],
)
def test_a_value_is_stored_as_the_applications_do_and_read_back_the_same(
    tmp_path: Path, column: str, value: Any, stored: Any
) -> None:
    odd = Odd(tmp_path, TYPED, {"t": ("id",)}, authority=CLOSED)
    odd.apply(("t", (1,), {"id": 1, column: value}))
    (found,) = odd.read(f"SELECT {column} FROM t")[0]
    assert (found, type(found)) == (stored, type(stored))
    with closing(odd.session()) as session, session.snapshot(SLICE) as snapshot:
        again = snapshot.rows("t", [(1,)])[1,]["t"]
    assert again is not None
    assert again[column] == value


NO_SPELLING = {
    "an aware time where no zone is kept": ("dt", datetime(2026, 1, 1, tzinfo=UTC)),
    "a naive time where a zone is": ("tz", datetime(2026, 1, 1)),
    "a time of day in a date": ("d", datetime(2026, 1, 1)),
    "a dict in a text": ("s", {"a": 1}),
    "NaN": ("r", float("nan")),
    "more than 64 bits": ("i", 2**63),
    "more digits than are kept": ("n", Decimal("12345678901234567.89")),
    "a fraction in an integer": ("i", Decimal("1.5")),
    "what JSON does not know": ("j", {"a": SOME}),
    "half a surrogate": ("s", "\ud800"),
    "a column that is not there": ("nowhere", 1),
}


@pytest.mark.parametrize("case", NO_SPELLING)
def test_what_has_no_spelling_holds_up_its_own_key_alone(tmp_path: Path, case: str) -> None:
    column, value = NO_SPELLING[case]
    odd = Odd(tmp_path, TYPED, {"t": ("id",)}, authority=CLOSED)
    good = Change("t", (2,), (2,), {"t": {"id": 2, "s": "good"}})
    bad = Change("t", (1,), (1,), {"t": {"id": 1, column: value}})
    with closing(odd.session()) as session, session.begin_round(SLICE, "test", 1) as transaction:
        with pytest.raises(CannotApply) as refused:
            transaction.apply([good, bad], Settled(1, 0))
        transaction.apply([good], Settled(1, 0))
        transaction.commit()
    assert set(refused.value.problems) == {("t", (1,))}
    assert odd.read("SELECT id, s FROM t") == [(2, "good")]


def test_columns_that_nobody_maps_keep_their_values_and_get_their_defaults(tmp_path: Path) -> None:
    odd = Odd(
        tmp_path,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v, own NOT NULL, more DEFAULT 'new', low AS (lower(v)));"
        "INSERT INTO t (id, v, own, more) VALUES (1, 'A', 'mine', 'old');",
        {"t": ("id",)},
        authority=CLOSED,
        columns={"t": ("id", "v", "low")},
    )
    odd.apply(("t", (1,), {"id": 1, "v": "B", "low": "ignored"}))
    assert odd.read("SELECT v, own, more, low FROM t") == [("B", "mine", "old", "b")]
    with pytest.raises(CannotApply, match="NOT NULL"):
        odd.apply(("t", (2,), {"id": 2, "v": "C"}))


def test_a_trigger_that_rolls_everything_back_is_a_refusal_like_any(tmp_path: Path) -> None:
    odd = Odd(
        tmp_path,
        f"{THING}; CREATE TRIGGER own BEFORE INSERT ON t WHEN NEW.v = 'bad' "
        "BEGIN SELECT RAISE(ROLLBACK, 'not this one'); END;",
        {"t": ("id",)},
        authority=CLOSED,
    )
    good, bad = (Change("t", (at,), (at,), {"t": {"id": at, "v": v}}) for at, v in ((1, "good"), (2, "bad")))
    with closing(odd.session()) as session, session.begin_round(SLICE, "test", 1) as transaction:
        with pytest.raises(CannotApply, match="not this one"):
            transaction.apply([good, bad], Settled(1, 0))
        transaction.apply([good], Settled(1, 0))
        transaction.commit()
    assert odd.read("SELECT id FROM t") == [(1,)]
    assert odd.read("SELECT mark, round FROM sf_round") == [(0, 1)]


# -- locks and leases ---------------------------------------------------------------------------------------

THING = "CREATE TABLE t (id INTEGER PRIMARY KEY, v)"


def one(value: object) -> list[Change]:
    """A change of row 1."""
    return [Change("t", (1,), (1,), {"t": {"id": 1, "v": value}})]


def test_nothing_is_locked_before_the_rows_are_written(tmp_path: Path) -> None:
    odd = Odd(tmp_path, THING + "; CREATE TABLE free (v)", {"t": ("id",)}, authority=CLOSED)
    with closing(odd.session()) as session, session.begin_round(SLICE, "test", 1) as transaction:
        transaction.applied("t", [(1,)])
        transaction.rows("t", [(1,)])
        with closing(odd.connect(timeout=0)) as application:
            application.execute("INSERT INTO free VALUES (1)")
        transaction.apply(one("ours"), Settled(1, 0))
        transaction.commit()
    assert odd.read("SELECT v FROM t") == [("ours",)]


def test_a_round_waits_for_a_writer_and_gives_up_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = Odd(tmp_path, THING + "; CREATE TABLE free (v)", {"t": ("id",)}, authority=CLOSED)
    monkeypatch.setattr(line.Line.begin, "__defaults__", (0.05,))
    with closing(odd.connect()) as application:
        application.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy, match="another process writes"):
            odd.apply(("t", (1,), {"id": 1}))
        application.execute("ROLLBACK")
    odd.apply(("t", (1,), {"id": 1}))


MOVES = {
    "another round": "UPDATE sf_round SET round = round + 1",
    "a later epoch": "UPDATE sf_round SET epoch = 9",
    "a flip": "UPDATE sf_authority SET phase = 'open'",
    "an intent": "UPDATE sf_authority SET phase = 'intent', epoch = 2",
    "another column": "ALTER TABLE t ADD COLUMN more",
}


@pytest.mark.parametrize("move", MOVES)
def test_a_round_that_somebody_else_overtook_writes_nothing(tmp_path: Path, move: str) -> None:
    odd = Odd(tmp_path, THING, {"t": ("id",)}, authority=CLOSED)
    with closing(odd.session()) as session, session.begin_round(SLICE, "test", 1) as transaction:
        odd.write(MOVES[move])
        with pytest.raises(Overtaken):
            transaction.apply(one("late"), Settled(1, 0))
    assert odd.read("SELECT * FROM t") == []
    odd.write("CREATE TABLE not_locked (v)")


def test_the_mark_is_never_to_be_seen_by_others(tmp_path: Path) -> None:
    odd = Odd(tmp_path, THING, {"t": ("id",)}, authority=CLOSED)
    with closing(odd.session()) as session, session.begin_round(SLICE, "test", 1) as transaction:
        transaction.apply(one("x"), Settled(1, 0))
        assert session.one("SELECT mark FROM sf_round") == (0,)
        assert odd.read("SELECT mark FROM sf_round") == [(0,)]
        transaction.commit()
    with pytest.raises(sqlite3.IntegrityError, match="strangler"):
        odd.write("UPDATE t SET v = 'not ours'")


# -- files --------------------------------------------------------------------------------------------


def test_a_restored_copy_is_told_by_its_nonce_even_after_new_writes(tmp_path: Path) -> None:
    odd = Odd(tmp_path, THING, {"t": ("id",)})
    odd.write("INSERT INTO t VALUES (1, 1)")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy, closing(odd.connect()) as source:
        source.backup(copy)
    odd.write("INSERT INTO t VALUES (2, 2)", "INSERT INTO t VALUES (3, 3)")
    session = odd.session()
    with session.snapshot(SLICE) as snapshot:
        acked, nonce = 3, snapshot.nonce(3)
        before = snapshot.incarnation
    for suffix in ("-wal", "-shm"):
        Path(f"{odd.path}{suffix}").unlink(missing_ok=True)
    shutil.move(tmp_path / "copy.db", odd.path)
    with pytest.raises(DatabaseAway, match="taken its place"), session.snapshot(SLICE):
        pass
    session.close()
    with closing(odd.session()) as session, session.snapshot(SLICE) as snapshot:
        assert snapshot.incarnation.last_seq == 1 < acked
    odd.write(*(f"INSERT INTO t VALUES ({key}, 0)" for key in (4, 5, 6)))
    with closing(odd.session()) as session, session.snapshot(SLICE) as snapshot:
        assert snapshot.incarnation.last_seq >= acked
        assert snapshot.incarnation.identity == before.identity
        assert snapshot.nonce(acked) not in ("", nonce)


def test_whoever_has_the_replaced_file_open_neither_asks_nor_writes_it(tmp_path: Path) -> None:
    odd = Odd(tmp_path, THING, {"t": ("id",)})
    with closing(odd.session()) as session:
        shutil.copy(odd.path, tmp_path / "copy.db")
        shutil.move(tmp_path / "copy.db", odd.path)
        for act in (
            lambda: session.authority(SLICE),
            lambda: session.swap(SLICE, OPEN, Authority(1, Phase.CLOSED), 1.0),
            lambda: session.install(SLICE, OPEN),
        ):
            with pytest.raises(DatabaseAway, match="taken its place"):
                act()


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "postgresql://x/y", "nonsense", "sqlite:///file:a?uri=true"]
)
def test_a_url_of_no_file_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(DatabaseAway, match="for example sqlite:"):
        database(url, Side.LEGACY, {})


def test_a_file_that_is_not_there_is_never_created(tmp_path: Path) -> None:
    with pytest.raises(DatabaseAway, match="no such file"):
        database(f"sqlite:///{tmp_path}/missing.db", Side.LEGACY, {}).session()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database, but long enough to be read as one" * 50)
    with pytest.raises(DatabaseAway, match="names the right one"):
        database(f"sqlite:///{tmp_path}/text.db", Side.LEGACY, {}).session()


def test_a_full_disk_says_so_and_the_round_can_be_tried_again(tmp_path: Path) -> None:
    odd = Odd(tmp_path, THING, {"t": ("id",)}, authority=CLOSED)
    with closing(odd.session()) as session:
        pages = session.one("PRAGMA page_count")[0]
        session.run(f"PRAGMA max_page_count = {pages}")
        with (
            session.begin_round(SLICE, "x", 1) as transaction,
            pytest.raises(DatabaseAway, match="make room"),
        ):
            transaction.apply(one("x" * 100_000), Settled(1, 0))
        session.run("PRAGMA max_page_count = 1000000")
        with session.begin_round(SLICE, "x", 1) as transaction:
            transaction.apply(one("x" * 100_000), Settled(1, 0))
            transaction.commit()
    assert odd.read("SELECT length(v) FROM t") == [(100_000,)]


def test_a_file_that_may_only_be_read_says_so(tmp_path: Path) -> None:
    odd = Odd(tmp_path, THING, {"t": ("id",)})
    with closing(odd.session()) as session:
        session.run("PRAGMA query_only = 1")
        with pytest.raises(DatabaseAway, match="right to write"):
            session.install(SLICE, OPEN)


def test_a_mapped_column_that_is_gone_says_what_to_correct(tmp_path: Path) -> None:
    odd = Odd(tmp_path, THING, {"t": ("id",)})
    odd.write("ALTER TABLE t DROP COLUMN v")
    with closing(odd.session()) as session, session.snapshot(SLICE) as snapshot:
        assert not snapshot.stamp.whole
        with pytest.raises(PlanMismatch, match="t has no v"):
            snapshot.rows("t", [(1,)])


def test_a_close_waits_for_the_writer_in_flight_and_no_longer_than_told(tmp_path: Path) -> None:
    odd = Odd(tmp_path, THING, {"t": ("id",)})
    shut = Authority(1, Phase.CLOSED)
    with closing(odd.connect()) as writer, closing(odd.session()) as session:
        writer.execute("BEGIN")
        writer.execute("INSERT INTO t VALUES (1, 1)")
        with pytest.raises(Busy):
            session.swap(SLICE, OPEN, shut, 0.05)
        assert session.authority(SLICE) == OPEN
        writer.execute("COMMIT")
        assert session.swap(SLICE, OPEN, shut, 1.0)
    assert odd.marks() == [("t", (1,), False)]
