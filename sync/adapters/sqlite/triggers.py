"""The triggers of one table: the fence before a row is written, the capture after it.

They are plain SQL that an old SQLite runs too, raise only where the fence is closed, and read the new values
of nothing but keys and unique columns.
"""

# ruff: noqa: S608 - names of tables and columns come from the plan and the schema, and are quoted

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sync.adapters.sqlite.schema import literal, quoted
from sync.adapters.sqlite.shapes import rowid_alias, unique_indexes
from sync.core.forecast import OURS
from sync.core.values import Side

EVENTS = ("insert", "update", "delete")
# What a refused writer is told, by the side that it should have written to.
_ELSEWHERE = {
    Side.EXTRACTED.value: "has moved to the extracted side: write there, or flip back",
    Side.LEGACY.value: "belongs to the legacy side: write there, or flip to this one",
}


@dataclass(frozen=True, slots=True)
class Unique:
    """The columns of a unique index, each with its collation."""

    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Captured:
    """What the triggers of a table depend on."""

    slice: str
    table: str
    key: tuple[str, ...]
    alias: bool  # the key is the rowid: always an integer
    uniques: tuple[Unique, ...]
    other_side: str
    computed: bool = False  # a unique column is generated

    def name(self, what: str) -> str:
        """The name of one trigger, quoted."""
        return quoted(f"sf_{self.slice}.{self.table}.{what}")


def captured(
    connection: sqlite3.Connection, slice_name: str, table: str, key: tuple[str, ...], other_side: str
) -> Captured:
    """Read what the triggers depend on."""
    uniques = []
    for _, columns in unique_indexes(connection, table):
        # An expression's value cannot be compared here: the audit refuses such an index.
        named = [(name, collation) for name, collation in columns if name is not None]
        if len(named) == len(columns):
            uniques.append(Unique(tuple(named)))
    alias = rowid_alias(connection, table) is not None
    generated = {
        name
        for (name,) in connection.execute(
            "SELECT name FROM pragma_table_xinfo(?) WHERE hidden IN (2, 3)", (table,)
        )
    }
    computed = any(name in generated for unique in uniques for name, _ in unique.columns)
    return Captured(slice_name, table, key, alias, tuple(uniques), other_side, computed)


def statements(of: Captured) -> list[tuple[str, str]]:
    """(name without quotes, CREATE TRIGGER) of every trigger of the table, the fence first."""
    made = [(f"{event}.fence", _fence(of, event)) for event in EVENTS]
    if of.uniques:
        made += [("insert.evicted", _evicted(of, "INSERT")), ("update.evicted", _evicted(of, "UPDATE"))]
    made += [("insert", _insert(of)), ("update", _update(of)), ("delete", _delete(of))]
    return [(f"sf_{of.slice}.{of.table}.{what}", sql) for what, sql in made]


def _marked(of: Captured) -> str:
    return f"EXISTS (SELECT 1 FROM sf_round WHERE slice = {literal(of.slice)} AND mark = 1)"


def _fence(of: Captured, event: str) -> str:
    says = f"strangler: {of.table} cannot be written here: slice {of.slice} {_ELSEWHERE[of.other_side]}"
    own = f"slice = {literal(of.slice)} AND \"partition\" = '' AND phase = 'open'"
    return (
        f"CREATE TRIGGER {of.name(event + '.fence')} BEFORE {event.upper()} ON {quoted(of.table)} "
        f"WHEN NOT EXISTS (SELECT 1 FROM sf_authority WHERE {own}) AND NOT {_marked(of)} "
        f"BEGIN SELECT RAISE(ABORT, {literal(says)}); END"
    )


def _insert(of: Captured) -> str:
    return _capture(of, "insert", f"INSERT INTO sf_outbox (slice, tbl, pk) VALUES ({_values(of, 'NEW')});")


def _update(of: Captured) -> str:
    # Not `UPDATE OF key`: `SET rowid = …` names no column. BINARY: 'a' is not 'A' to us.
    moved = " OR ".join(
        f"OLD.{name} IS NOT NEW.{name} COLLATE BINARY" for name in (quoted(each) for each in of.key)
    )
    return _capture(
        of,
        "update",
        f"INSERT INTO sf_outbox (slice, tbl, pk, deleted) SELECT {_values(of, 'OLD')}, 1 WHERE {moved}; "
        f"INSERT INTO sf_outbox (slice, tbl, pk) VALUES ({_values(of, 'NEW')});",
    )


def _delete(of: Captured) -> str:
    into = "INSERT INTO sf_outbox (slice, tbl, pk, deleted)"
    return _capture(of, "delete", f"{into} VALUES ({_values(of, 'OLD')}, 1);")


def _capture(of: Captured, event: str, body: str) -> str:
    return (
        f"CREATE TRIGGER {of.name(event)} AFTER {event.upper()} ON {quoted(of.table)} "
        f"WHEN NOT {_marked(of)} BEGIN {body} END"
    )


def _evicted(of: Captured, event: str) -> str:
    """Mark the rows that REPLACE is about to push out: it fires no delete trigger (lang_conflict.html).

    Before the conflict is looked for, so IGNORE and upserts mark a row that stays: such a mark is harmless,
    because a row that is there is applied as it is.
    """
    parts = [
        f"INSERT INTO sf_outbox (slice, tbl, pk, deleted) SELECT {_values(of, 't')}, 1 "
        f"FROM {quoted(of.table)} AS t WHERE {_meets(of, unique, event)};"
        for unique in of.uniques
    ]
    name = of.name(f"{event.lower()}.evicted")
    changed, only = "", ""
    if event == "UPDATE":
        columns = sorted({column for unique in of.uniques for column, _ in unique.columns})
        moved = " OR ".join(f"OLD.{quoted(column)} IS NOT NEW.{quoted(column)}" for column in columns)
        changed = f" AND ({moved})"
        if not of.computed:  # a generated column changes without being named in SET
            only = f" OF {', '.join(map(quoted, columns))}"
    return (
        f"CREATE TRIGGER {name} BEFORE {event}{only} ON {quoted(of.table)} "
        f"WHEN NOT {_marked(of)}{changed} "
        f"BEGIN {' '.join(parts)} END"
    )


def _meets(of: Captured, unique: Unique, event: str) -> str:
    same = [
        f"t.{quoted(column)} = NEW.{quoted(column)} COLLATE {collation}"
        for column, collation in unique.columns
    ]
    row = "OLD" if event == "UPDATE" else "NEW"
    itself = " AND ".join(f"t.{quoted(name)} IS {row}.{quoted(name)}" for name in of.key)
    return f"{' AND '.join(same)} AND NOT ({itself})"


def _values(of: Captured, row: str) -> str:
    return f"{literal(of.slice)}, {literal(of.table)}, {_key(of, row)}"


def _key(of: Captured, row: str) -> str:
    if of.alias:
        return f"'[' || {row}.{quoted(of.key[0])} || ']'"
    # json_array() raises for a BLOB, which would break the application's write, and rounds a REAL: both
    # become null here, which the relay stops at.
    parts = [
        f"CASE WHEN typeof({row}.{quoted(name)}) IN ('integer', 'text') THEN {row}.{quoted(name)} END"
        for name in of.key
    ]
    return f"json_array({', '.join(parts)})"


def names(connection: sqlite3.Connection, slice_name: str) -> list[str]:
    """The triggers of this slice that are there, whatever tables the plan names today."""
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
    return [name for (name,) in found if name.startswith(f"sf_{slice_name}.")]


def unseen(connection: sqlite3.Connection, of: Captured) -> bool:
    """Whether a capture trigger is not there: what was written to the table left no mark."""
    there = names(connection, of.slice)
    return any(f"sf_{of.slice}.{of.table}.{event}" not in there for event in EVENTS)


def mark_all(of: Captured) -> str:
    """Put every key that the table has into the outbox."""
    return (
        f"INSERT INTO sf_outbox (slice, tbl, pk, writer) SELECT {_values(of, 't')}, {literal(OURS)} "
        f"FROM {quoted(of.table)} AS t"
    )


def standing(connection: sqlite3.Connection, wanted: Iterable[tuple[str, str]]) -> Sequence[str]:
    """The names of those triggers that are missing or not as wanted."""
    there = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall())
    return [name for name, sql in wanted if there.get(name) != sql]
