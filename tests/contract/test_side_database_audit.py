"""The audit finds each planted hole, names its place, and has a cure; a sound side has no fatal finding."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from sync.adapters.sqlite.holes import HOLES
from sync.core.audit import Finding
from tests.contract.side_databases import BANK, Banks
from tests.contract.sqlite_tables import SLICE, Odd


def test_a_sound_side_has_no_fatal_finding(banks: Banks) -> None:
    for bank in (banks.legacy, banks.extracted):
        with closing(bank.session()) as session:
            assert [each for each in session.audit(BANK) if each.fatal] == []


def test_capture_itself_is_no_finding(banks: Banks) -> None:
    with closing(banks.legacy.session()) as session:
        before = list(session.audit(BANK))
        banks.install()
        assert list(session.audit(BANK)) == before


def test_a_table_that_is_not_there_is_a_fatal_finding(banks: Banks) -> None:
    banks.legacy.alter("DROP TABLE transfers")
    with closing(banks.legacy.session()) as session:
        assert any(each.fatal and "transfers" in each.where for each in session.audit(BANK))


PARENT = "CREATE TABLE p (id INTEGER PRIMARY KEY);"
PLAIN = "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v);"
# code: (tables, key of t, where the finding says it is)
PLANTED = {
    "no-table": ("CREATE TABLE other (id INTEGER PRIMARY KEY);", ("id",), "t"),
    "not-a-table": ("CREATE VIEW t AS SELECT 1 AS id;", ("id",), "t"),
    "no-key": ("CREATE TABLE t (id INTEGER, v);", ("id",), "t"),
    "another-key": ("CREATE TABLE t (id INTEGER PRIMARY KEY, v);", ("v",), "t"),
    "key-type": ("CREATE TABLE t (id BLOB NOT NULL PRIMARY KEY, v);", ("id",), "t.id"),
    "key-values": (
        "CREATE TABLE t (id NUMERIC NOT NULL PRIMARY KEY, v); INSERT INTO t VALUES (1.5, 1);",
        ("id",),
        "t.id",
    ),
    "null-key": ("CREATE TABLE t (id TEXT PRIMARY KEY, v); INSERT INTO t VALUES (NULL, 1);", ("id",), "t.id"),
    "nullable-key": ("CREATE TABLE t (id TEXT PRIMARY KEY, v);", ("id",), "t.id"),
    "key-collation": ("CREATE TABLE t (id TEXT NOT NULL COLLATE NOCASE PRIMARY KEY, v);", ("id",), "t.id"),
    "no-autoincrement": ("CREATE TABLE t (id INTEGER PRIMARY KEY, v);", ("id",), "t"),
    "unique-expression": (PLAIN + "CREATE UNIQUE INDEX low ON t (lower(v));", ("id",), "t, index low"),
    "unique-collation": (PLAIN + "CREATE UNIQUE INDEX u ON t (v COLLATE NOCASE);", ("id",), "t.v"),
    "uuid-type": ("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v UUID);", ("id",), "t.v"),
    "needs-value": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v, w TEXT NOT NULL);",
        ("id",),
        "t.w",
    ),
    "generated": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v AS (id + 1));",
        ("id",),
        "t.v",
    ),
    "key-out": (
        f"{PARENT} CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v REFERENCES p);",
        ("id",),
        "t",
    ),
    "key-in": (PLAIN + "CREATE TABLE c (id INTEGER PRIMARY KEY, t INTEGER REFERENCES t (id));", ("id",), "t"),
    "orphans": (
        f"""{PARENT} CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v REFERENCES p);
        PRAGMA foreign_keys = off; INSERT INTO t VALUES (1, 5);""",
        ("id",),
        "t",
    ),
    "two-slices": (
        PLAIN + 'CREATE TRIGGER "sf_other.t.insert" AFTER INSERT ON t BEGIN SELECT 1; END;',
        ("id",),
        "t",
    ),
    "trigger-again": (
        PLAIN + "CREATE TRIGGER own AFTER UPDATE ON t BEGIN UPDATE [t] SET v = 1 WHERE id = NEW.id; END;",
        ("id",),
        "t, trigger own",
    ),
    "trigger-elsewhere": (
        f"""{PLAIN} CREATE TABLE log (v);
        CREATE TRIGGER own AFTER DELETE ON t BEGIN INSERT OR IGNORE INTO "log" VALUES (OLD.v); END;""",
        ("id",),
        "t, trigger own",
    ),
    "trigger-in": (
        f"""{PLAIN} CREATE TABLE cart (v);
        CREATE TRIGGER own AFTER INSERT ON cart BEGIN DELETE FROM t WHERE v = NEW.v; END;""",
        ("id",),
        "cart, trigger own",
    ),
}


@pytest.mark.parametrize("code", PLANTED)
def test_a_hole_planted_in_a_table_is_found_in_its_place_with_a_cure(tmp_path: Path, code: str) -> None:
    sql, key, where = PLANTED[code]
    finding = _find(Odd(tmp_path, sql, {"t": key}, install=False, columns={"t": ("id", "v")}), code)
    assert finding.where == where
    assert finding.fatal is HOLES[code].fatal
    assert finding.cure
    assert "{" not in str(finding)


@pytest.mark.parametrize(("mode", "code"), [("delete", "journal-mode"), ("truncate", "journal-mode")])
def test_a_file_that_readers_and_writers_cannot_share_is_found(tmp_path: Path, mode: str, code: str) -> None:
    odd = Odd(tmp_path, PLAIN, {"t": ("id",)}, install=False, wal=False)
    with closing(odd.session()) as session:
        session.run(f"PRAGMA journal_mode = {mode}")
        assert [each.code for each in session.audit(SLICE)] == [code, "synchronous"]


@pytest.mark.parametrize("mode", ["memory", "off"])
def test_a_file_without_a_journal_on_disk_is_refused(tmp_path: Path, mode: str) -> None:
    odd = Odd(tmp_path, PLAIN, {"t": ("id",)}, install=False, wal=False)
    with closing(odd.session()) as session:
        session.run(f"PRAGMA journal_mode = {mode}")
        assert [each.code for each in session.audit(SLICE) if each.fatal] == ["no-journal"]


def test_every_hole_that_the_table_names_is_planted_by_a_test() -> None:
    elsewhere = {"journal-mode", "no-journal", "synchronous"}
    assert set(HOLES) == set(PLANTED) | elsewhere


SOUND = {
    "a trigger that asks whether a round writes": (
        PLAIN + "CREATE TABLE sf_round (slice, mark); "
        "CREATE TRIGGER own AFTER UPDATE ON t "
        "WHEN NOT EXISTS (SELECT 1 FROM sf_round WHERE slice = 'odd' AND mark = 1) "
        "BEGIN UPDATE t SET v = 1 WHERE id = NEW.id; END;"
    ),
    "a trigger that only looks": (
        PLAIN + "CREATE TRIGGER own BEFORE UPDATE OF v ON t BEGIN "
        "SELECT RAISE(ABORT, 'do not delete from t') WHERE NEW.v = 0; -- update t\nEND;"
    ),
    "a key that is another table's": (
        f"{PARENT} CREATE TABLE t (id INTEGER PRIMARY KEY REFERENCES p, v); INSERT INTO p VALUES (1);"
    ),
    "a partial unique index": PLAIN + "CREATE UNIQUE INDEX u ON t (v) WHERE v > 0;",
}


@pytest.mark.parametrize("sound", SOUND)
def test_what_is_no_hole_is_not_reported(tmp_path: Path, sound: str) -> None:
    odd = Odd(tmp_path, SOUND[sound], {"t": ("id",)}, install=False, accepted=frozenset({"p"}))
    with closing(odd.session()) as session:
        assert [each.code for each in session.audit(SLICE)] == ["synchronous"]


def test_an_accepted_split_is_no_finding(tmp_path: Path) -> None:
    sql, key, _ = PLANTED["key-out"]
    odd = Odd(tmp_path, sql, {"t": key}, install=False, accepted=frozenset({"p"}))
    with closing(odd.session()) as session:
        assert "key-out" not in {each.code for each in session.audit(SLICE)}


def _find(odd: Odd, code: str) -> Finding:
    with closing(odd.session()) as session:
        found = {each.code: each for each in session.audit(SLICE)}
    assert code in found
    return found[code]
