"""Whatever statements an application thinks of: each row that is not as it was has its mark."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.sqlite_tables import Odd

TABLES = {
    "rowid": """CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b INTEGER, c INTEGER, UNIQUE (b, c));
        CREATE UNIQUE INDEX folded ON t (a COLLATE NOCASE) WHERE b > 1;""",
    "text": """CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY, a TEXT UNIQUE, b INTEGER, c INTEGER,
        UNIQUE (b, c)) WITHOUT ROWID;""",
    "computed": """CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER, c INTEGER,
        d AS (b + c) UNIQUE, e TEXT AS (lower(a)) STORED UNIQUE);""",
    "itself": """CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b INTEGER,
        c INTEGER REFERENCES t ON DELETE CASCADE ON UPDATE CASCADE);""",
    "busy": """CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b INTEGER, c INTEGER);
        CREATE TRIGGER own AFTER INSERT ON t BEGIN
            UPDATE t SET c = c + 1 WHERE b = NEW.b AND id <> NEW.id;
            DELETE FROM t WHERE a = upper(NEW.a) AND id <> NEW.id; END;""",
}

small = st.integers(1, 4)
text = st.sampled_from(["'x'", "'X'", "'y'", "NULL"])
or_what = st.sampled_from(["", " OR REPLACE", " OR IGNORE", " OR FAIL", " OR ROLLBACK"])
row = st.builds(lambda key, a, b, c: f"({key}, {a}, {b}, {c})", small, text, small, small)
rows = st.lists(row, min_size=1, max_size=3).map(", ".join)
upsert = st.sampled_from(
    ["", " ON CONFLICT DO NOTHING", " ON CONFLICT (id) DO UPDATE SET b = excluded.b, id = excluded.id + 1"]
)
setting = st.one_of(
    text.map("a = {}".format),
    small.map("b = {}".format),
    st.sampled_from(["b = b + 1", "c = id", "id = id + 1", "id = 5 - id", "b = c, c = b", "a = upper(a)"]),
)
where = st.one_of(st.just(""), small.map(" WHERE id = {}".format), small.map(" WHERE b >= {}".format))
statement = st.one_of(
    st.builds("INSERT{} INTO t (id, a, b, c) VALUES {}".format, or_what, rows),
    st.builds("INSERT INTO t (id, a, b, c) VALUES {}{}".format, rows, upsert),
    st.builds("REPLACE INTO t (id, a, b, c) SELECT id + {}, a, b, c + 1 FROM t".format, small),
    st.builds("UPDATE{} t SET {}{}".format, or_what, setting, where),
    st.builds("DELETE FROM t{}".format, where),
)


@pytest.mark.slow
@pytest.mark.parametrize("recursive", ["off", "on"])
@pytest.mark.parametrize("table", TABLES)
@given(statements=st.lists(statement, min_size=1, max_size=12))
@settings(max_examples=60)
def test_every_row_that_changed_is_marked_and_every_one_that_is_gone_is_marked_so(
    table: str, recursive: str, statements: list[str]
) -> None:
    with TemporaryDirectory() as folder:
        odd = Odd(Path(folder), TABLES[table], {"t": ("id",)})
        with closing(odd.connect()) as connection:
            connection.execute(f"PRAGMA recursive_triggers = {recursive}")
            for each in statements:
                _see(odd, connection, each)


def _see(odd: Odd, connection: sqlite3.Connection, statement: str) -> None:
    before = {each[0]: each for each in connection.execute("SELECT * FROM t")}
    (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM sf_outbox").fetchone()
    error = ""
    try:
        connection.execute(statement)
    except sqlite3.Error as refused:
        error = str(refused)
    assert "sf_" not in error
    after = {each[0]: each for each in connection.execute("SELECT * FROM t")}
    marks = odd.marks(last)
    marked, deleted = {key for _, (key,), _ in marks}, {key for _, (key,), gone in marks if gone}
    assert {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)} <= marked
    assert before.keys() - after.keys() <= deleted
