"""Which rows have what a round's changes need: unique values, or a reference to a row that shall go."""

# ruff: noqa: S608 - names of tables and columns come from the plan and the schema, and are quoted

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from sync.adapters.sqlite.part import Part
from sync.adapters.sqlite.schema import quoted
from sync.adapters.sqlite.shapes import unique_indexes
from sync.adapters.sqlite.tables import Table
from sync.core.conflicts import KEYS, Claim
from sync.core.values import Change, Row

_PARTIAL = re.compile(r"\)\s*WHERE\b(.*)", re.IGNORECASE | re.DOTALL)
Index = tuple[tuple[str, ...], str, str]
"""The columns of a unique index, the comparison of `t` with parameters, its predicate."""


def claims(part: Part, slice_name: str, changes: Sequence[Change]) -> list[Claim]:
    """Who has what these changes need, the changes' own rows among them."""
    spec = part.spec(slice_name)
    found: list[Claim] = []
    for entity in spec.entities:
        mine = [each for each in changes if each.entity == entity.name]
        gone = [each for each in mine if each.rows is None]
        for table in part.entity_tables(slice_name, entity) if mine else ():
            for index in _indexes(part.raw, table):
                found += _holders(part.raw, table, index, mine)
            found += _referrers(part, slice_name, table, gone)
    return found[:KEYS]


def _indexes(connection: sqlite3.Connection, table: Table) -> Iterator[Index]:
    """Those over plain columns of rows that the mapping gives."""
    for name, columns in unique_indexes(connection, table.spec.name):
        names = tuple(column for column, _ in columns if column is not None)
        if len(names) < len(columns) or set(names) == set(table.spec.key):
            continue
        same = " AND ".join(f"t.{quoted(str(column))} = ? COLLATE {quoted(how)}" for column, how in columns)
        sql = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        partial = _PARTIAL.search(sql[0]) if sql and sql[0] else None
        yield names, same, partial[1] if partial else ""


def _holders(
    connection: sqlite3.Connection, table: Table, index: Index, changes: Sequence[Change]
) -> Iterator[Claim]:
    names, same, only = index
    itself = " AND ".join(f"t.{quoted(name)} = ?" for name in table.spec.key)
    sql = f"SELECT {table.key_columns} FROM {table.name} AS t WHERE {same} AND NOT ({itself})"
    if only:
        sql += f" AND ({only})"
    for change in changes:
        row = (change.rows or {}).get(table.spec.name)
        if row is None or any(row.get(name) is None for name in names):
            continue
        with suppress(ValueError):  # what has no spelling here is refused for that
            values = [*table.encode(row, names), *table.stored_key(change.key)]
            if only and not _belongs(connection, table, row, only):
                continue
            for held in _asked(connection, sql, values):
                holder = (change.entity, table.key_of(held))
                yield Claim((change.entity, change.key), holder, table.spec.name, names)


def _asked(connection: sqlite3.Connection, sql: str, values: Sequence[Any]) -> list[Any]:
    """Nobody, where the index has a collation or a function of the application's own: we cannot write it."""
    try:
        return connection.execute(sql, values).fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        return []


def _belongs(connection: sqlite3.Connection, table: Table, row: Row, only: str) -> bool:
    """Whether the row will be in a partial index; no, where its predicate asks for what is not mapped."""
    given = ", ".join(f"? AS {quoted(name)}" for name in row)
    return bool(
        _asked(connection, f"SELECT 1 FROM (SELECT {given}) AS t WHERE {only}", table.encode(row, row))
    )


def _referrers(part: Part, slice_name: str, table: Table, changes: Sequence[Change]) -> Iterator[Claim]:
    """Rows of the slice that refer to those that shall go."""
    spec = part.spec(slice_name)
    mapped = {each.name: each for each in spec.tables(part.side)}
    for target in table.referring if changes else ():
        other = mapped.get(target.table)
        if other is None or set(target.to_columns) != set(table.spec.key):
            continue
        entity, there = spec.entity_of(part.side, other.name).name, part.table(slice_name, other.name)
        same = " AND ".join(f"t.{quoted(name)} = ?" for name in target.columns)
        sql = f"SELECT {there.key_columns} FROM {there.name} AS t WHERE {same} LIMIT {KEYS}"
        order = [table.spec.key.index(name) for name in target.to_columns]
        for change in changes:
            stored = table.stored_key(change.key)
            for held in part.raw.execute(sql, [stored[at] for at in order]).fetchall():
                yield Claim((change.entity, change.key), (entity, there.key_of(held)), other.name, ())
