"""Unique values that change places: out of the way by UPDATE, then set. No row is deleted for it."""

# ruff: noqa: S608 - names of tables and columns come from the plan and the schema, and are quoted

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

from sync.adapters.sqlite.codecs import affinity
from sync.adapters.sqlite.schema import quoted
from sync.adapters.sqlite.tables import Table
from sync.core.values import Key


def park(connection: sqlite3.Connection, table: Table, keys: Collection[Key]) -> None:
    """Give the rows of these keys unique values that nobody else has, wherever the table lets us."""
    where = " AND ".join(f"{quoted(name)} = ?" for name in table.spec.key)
    for name in sorted({name for unique in table.shape.uniques if (name := _parked_column(table, unique))}):
        sql = f"UPDATE {table.name} SET {quoted(name)} = {_nobodys(table, name)} WHERE {where}"
        for key in keys:
            with suppress(
                sqlite3.IntegrityError
            ):  # a CHECK forbids it: this value cannot take part in a swap
                connection.execute(sql, table.stored_key(key))


def _parked_column(table: Table, unique: Sequence[str]) -> str | None:
    """One column of the index is enough; the best may be NULL, which is equal to nothing. Never the key."""
    shapes = {column.name: column for column in table.shape.columns}
    free = [name for name in unique if name not in table.spec.key and not shapes[name].generated]
    by_ease = sorted(
        free, key=lambda name: (not shapes[name].nullable, affinity(shapes[name].type) != "text")
    )
    return by_ease[0] if by_ease else None


def _nobodys(table: Table, name: str) -> str:
    column = next(each for each in table.shape.columns if each.name == name)
    if column.nullable:
        return "NULL"
    kind = affinity(column.type)
    if kind == "blob":
        return "randomblob(16)"
    return "'parked ' || hex(randomblob(12))" if kind == "text" else "-abs(random() / 2)"


def conflict(
    connection: sqlite3.Connection, table: Table, names: Sequence[str], values: Sequence[Any]
) -> str | None:
    """The key of another row that has one of these unique values, as text; None when there is none."""
    given = dict(zip(names, values, strict=True))
    mine = [given[name] for name in table.spec.key]
    for unique in table.shape.uniques:
        if not all(given.get(name) is not None for name in unique):
            continue
        same = " AND ".join(f"t.{quoted(name)} = ?" for name in unique)
        itself = " AND ".join(f"t.{quoted(name)} = ?" for name in table.spec.key)
        sql = f"SELECT {table.key_columns} FROM {table.name} AS t WHERE {same} AND NOT ({itself})"
        row = connection.execute(sql, [*(given[name] for name in unique), *mine]).fetchone()
        if row:
            return "/".join(str(part) for part in table.key_of(row))
    return None
