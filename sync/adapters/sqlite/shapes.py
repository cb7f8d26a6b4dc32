"""Tables as the database has them, from its own pragmas."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from sync.adapters.sqlite.schema import PREFIX
from sync.core.records import ColumnShape, ForeignKey, TableShape

_HIDDEN, _GENERATED = 1, (2, 3)  # pragma table_xinfo: of a virtual table; virtual and stored generated


def read_shape(connection: sqlite3.Connection, table: str) -> TableShape | None:
    """The shape of `table`; None when there is none of that name."""
    found = connection.execute(
        'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)', (table,)
    ).fetchall()
    if not found:
        return None
    found = [each for each in found if each[5] != _HIDDEN]
    key = tuple(each[0] for each in sorted((each for each in found if each[4]), key=lambda each: each[4]))
    alias = rowid_alias(connection, table)
    columns = tuple(
        ColumnShape(
            name,
            kind.lower(),
            nullable=not (notnull or name == alias),
            generated=hidden in _GENERATED,
            default=default,
        )
        for name, kind, notnull, default, _, hidden in found
    )
    return TableShape(
        table, columns, key, tuple(_uniques(connection, table)), _foreign_keys(connection, table),
        own_triggers(connection, table),
    )  # fmt: skip


def rowid_alias(connection: sqlite3.Connection, table: str) -> str | None:
    """The column that is the rowid itself (`INTEGER PRIMARY KEY`); None when there is none."""
    key = connection.execute("SELECT name, type FROM pragma_table_xinfo(?) WHERE pk > 0", (table,)).fetchall()
    if len(key) != 1 or key[0][1].lower() != "integer":
        return None
    # `INTEGER PRIMARY KEY DESC` and WITHOUT ROWID have an index for the key; a true alias needs none.
    indexed = connection.execute(
        "SELECT 1 FROM pragma_index_list(?) WHERE origin = 'pk'", (table,)
    ).fetchone()
    return None if indexed else str(key[0][0])


def own_triggers(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    """The names of the table's triggers that are not ours."""
    found = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE ORDER BY name",
        (table,),
    )
    return tuple(name for (name,) in found if not name.startswith(PREFIX))


def unique_indexes(
    connection: sqlite3.Connection, table: str
) -> Iterator[tuple[str, list[tuple[str | None, str]]]]:
    """Each unique index that is not the key's: its name, and (column, collation); None for an expression."""
    listed = connection.execute(
        "SELECT name FROM pragma_index_list(?) WHERE \"unique\" AND origin <> 'pk' ORDER BY seq DESC",
        (table,),
    ).fetchall()
    for (name,) in listed:
        columns = connection.execute(
            "SELECT name, coll FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno", (name,)
        ).fetchall()
        yield name, [(column, collation) for column, collation in columns]


def _uniques(connection: sqlite3.Connection, table: str) -> Iterator[tuple[str, ...]]:
    for _, columns in unique_indexes(connection, table):
        names = tuple(name for name, _ in columns if name is not None)
        if len(names) == len(columns):
            yield names


def _foreign_keys(connection: sqlite3.Connection, table: str) -> tuple[ForeignKey, ...]:
    found: dict[int, list[tuple[str, str, str | None, str]]] = {}
    for number, to_table, column, to_column, on_delete in connection.execute(
        'SELECT id, "table", "from", "to", on_delete FROM pragma_foreign_key_list(?) ORDER BY id, seq',
        (table,),
    ).fetchall():
        found.setdefault(number, []).append((to_table, column, to_column, on_delete.lower()))
    return tuple(_foreign_key(connection, parts) for parts in found.values())


def _foreign_key(connection: sqlite3.Connection, parts: list[tuple[str, str, str | None, str]]) -> ForeignKey:
    to_table, on_delete = parts[0][0], parts[0][3]
    to_columns = tuple(part[2] for part in parts if part[2] is not None)
    if not to_columns:  # REFERENCES parent, without columns: the parent's key
        to_columns = tuple(
            name
            for (name,) in connection.execute(
                "SELECT name FROM pragma_table_xinfo(?) WHERE pk > 0 ORDER BY pk", (to_table,)
            )
        )
    return ForeignKey(tuple(part[1] for part in parts), to_table, to_columns, on_delete)


def tables(connection: sqlite3.Connection) -> list[str]:
    """Every table that is not ours and not SQLite's."""
    found = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'sqlite_*' ORDER BY name"
    )
    return [name for (name,) in found if not name.startswith(PREFIX)]


def references_to(
    connection: sqlite3.Connection, table: str
) -> Iterator[tuple[str, tuple[str, ...], str, tuple[str, ...]]]:
    """Every foreign key of the database that points at `table`: from where, columns, table, its columns."""
    for name in tables(connection):
        for each in _foreign_keys(connection, name):
            if each.to_table.lower() == table.lower():
                yield name, each.columns, table, each.to_columns
