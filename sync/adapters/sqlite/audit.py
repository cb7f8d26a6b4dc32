"""What SQLite cannot capture or fence, looked for before it is relied on.

What each connection sets for itself (`foreign_keys`, `recursive_triggers`, temporary triggers, ATTACH) cannot
be seen from another one; our triggers work whatever it is.
"""

# ruff: noqa: S608 - names of tables and columns come from the plan and the schema, and are quoted

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from sync.adapters.sqlite import trigger_texts
from sync.adapters.sqlite.codecs import affinity
from sync.adapters.sqlite.holes import found
from sync.adapters.sqlite.schema import PREFIX, quoted
from sync.adapters.sqlite.shapes import read_shape, references_to, rowid_alias, unique_indexes
from sync.core.audit import Finding
from sync.core.records import ColumnShape, TableShape
from sync.core.values import Side, SliceSpec, TableSpec

_TABLE = "SELECT type, sql FROM sqlite_master WHERE name = ? COLLATE NOCASE AND type IN ('table', 'view')"


@dataclass(frozen=True, slots=True)
class Audited:
    """One table under audit."""

    connection: sqlite3.Connection
    spec: TableSpec
    shape: TableShape
    sql: str
    slice: SliceSpec
    side: Side
    inside: frozenset[str]  # the slice's tables, in lower case

    @property
    def name(self) -> str:
        """The table's name."""
        return self.spec.name

    def outside(self, table: str) -> bool:
        """Whether nobody has settled what this table and the slice have to do with each other."""
        return table.lower() not in self.inside and table not in self.slice.accepted_splits

    @property
    def key_is_drawn(self) -> bool:
        """Whether integers are drawn for the table itself, not for the one that its key refers to."""
        return not any(self.spec.key == each.columns for each in self.shape.foreign_keys)

    def any(self, where: str) -> bool:
        """Whether a row is so."""
        sql = f"SELECT 1 FROM {quoted(self.name)} WHERE {where} LIMIT 1"
        return self.connection.execute(sql).fetchone() is not None


def audit(connection: sqlite3.Connection, spec: SliceSpec, side: Side) -> Iterator[Finding]:
    """Every finding for the slice's tables on this side."""
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if mode in ("off", "memory"):
        yield found("no-journal", "the file", mode=mode)
    elif mode != "wal":
        yield found("journal-mode", "the file", mode=mode)
    yield found("synchronous", "the applications")
    inside = frozenset(table.name.lower() for table in spec.tables(side))
    for table in spec.tables(side):
        kind = connection.execute(_TABLE, (table.name,)).fetchone()
        shape = read_shape(connection, table.name)
        if kind is None or shape is None:
            yield found("no-table", table.name)
        elif kind[0] == "view" or kind[1].lower().startswith("create virtual"):
            yield found("not-a-table", table.name)
        else:
            yield from _table(Audited(connection, table, shape, kind[1], spec, side, inside))


def _table(of: Audited) -> Iterator[Finding]:
    yield from _key(of)
    yield from _uniques(of)
    yield from _columns(of)
    yield from _references(of)
    yield from trigger_texts.holes(of.connection, of.name, of.inside, of.slice)
    yield from _neighbours(of)


def _key(of: Audited) -> Iterator[Finding]:
    if not of.shape.key:
        yield found("no-key", of.name)
    elif of.shape.key != of.spec.key:
        yield found("another-key", of.name, own=", ".join(of.shape.key), plan=", ".join(of.spec.key))
    elif rowid_alias(of.connection, of.name) is None:
        columns = {column.name: column for column in of.shape.columns}
        for name in of.spec.key:
            yield from _key_column(of, columns[name])
        yield from _key_collation(of)
    elif (
        of.key_is_drawn
        and "autoincrement" not in of.sql.lower()
        and of.slice.entity_of(of.side, of.name).root(of.side) == of.spec
    ):
        yield found("no-autoincrement", of.name)


def _key_column(of: Audited, column: ColumnShape) -> Iterator[Finding]:
    where, name, kind = f"{of.name}.{column.name}", quoted(column.name), affinity(column.type)
    # The type UUID has NUMERIC affinity, which makes a number of hex digits that read as one.
    if kind in ("blob", "real") or column.type.startswith("uuid"):
        yield found("key-type", where, type=column.type or "(none)")
    elif of.any(f"{name} IS NULL"):
        yield found("null-key", where)
    elif of.any(f"typeof({name}) NOT IN ('integer', 'text')"):
        yield found("key-values", where)
    elif column.nullable:
        yield found("nullable-key", where)


def _key_collation(of: Audited) -> Iterator[Finding]:
    for name, collation in of.connection.execute(
        "SELECT x.name, x.coll FROM pragma_index_list(?) AS i, pragma_index_xinfo(i.name) AS x "
        "WHERE i.origin = 'pk' AND x.key AND x.coll <> 'BINARY'",
        (of.name,),
    ).fetchall():
        yield found("key-collation", f"{of.name}.{name}", collation=collation)


def _uniques(of: Audited) -> Iterator[Finding]:
    for name, columns in unique_indexes(of.connection, of.name):
        if any(column is None for column, _ in columns):
            yield found("unique-expression", f"{of.name}, index {name}")
        for column, collation in columns:
            if collation != "BINARY":
                yield found("unique-collation", f"{of.name}.{column}", collation=collation)


def _columns(of: Audited) -> Iterator[Finding]:
    for column in of.shape.columns:
        where, mapped = f"{of.name}.{column.name}", column.name in of.spec.columns
        if column.type.startswith("uuid") and column.name not in of.spec.key:
            yield found("uuid-type", where)
        if mapped and column.generated:
            yield found("generated", where)
        if not (mapped or column.nullable or column.generated or column.default is not None):
            yield found("needs-value", where)


def _references(of: Audited) -> Iterator[Finding]:
    for each in of.shape.foreign_keys:
        if of.outside(each.to_table):
            yield found("key-out", of.name, other=each.to_table)
    for table, _, _, _ in references_to(of.connection, of.name):
        if of.outside(table):
            yield found("key-in", of.name, other=table)
    try:
        sql = "SELECT count(*) FROM pragma_foreign_key_check(?)"
        (count,) = of.connection.execute(sql, (of.name,)).fetchone()
    except sqlite3.OperationalError:  # it refers to columns that are no key there: every check would fail
        count = "all"
    if count:
        yield found("orphans", of.name, count=count)


def _neighbours(of: Audited) -> Iterator[Finding]:
    for (name,) in of.connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE ORDER BY name",
        (of.name,),
    ).fetchall():
        if name.startswith(PREFIX) and not name.startswith(f"{PREFIX}{of.slice.name}."):
            yield found("two-slices", of.name, other=name)
            return
