"""Unique values that change places: out of the way by UPDATE, then set. No row is deleted for it."""

# ruff: noqa: S608 - names of tables and columns come from the plan and the schema, and are quoted

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from typing import Any

from sync.adapters.sqlite.codecs import affinity
from sync.adapters.sqlite.schema import quoted
from sync.adapters.sqlite.tables import Table
from sync.core.values import Key


def park(connection: sqlite3.Connection, table: Table, keys: Collection[Key]) -> None:
    """Give the rows of these keys unique values that nobody else has, wherever the table lets us."""
    where = " AND ".join(f"{quoted(name)} = ?" for name in table.spec.key)
    for name in sorted({name for unique in table.shape.uniques if (name := _parked_column(table, unique))}):
        statements = [
            f"UPDATE {table.name} SET {quoted(name)} = {value} WHERE {where}"
            for value in _nobodys(table, name)
        ]
        for key in keys:
            stored = table.stored_key(key)
            any(_done(connection, each, stored) for each in statements)


def _done(connection: sqlite3.Connection, sql: str, stored: Sequence[Any]) -> bool:
    try:
        connection.execute(sql, stored)
    except sqlite3.IntegrityError:  # a CHECK forbids it: where all are forbidden the value stays where it is
        return False
    return True


def _parked_column(table: Table, unique: Sequence[str]) -> str | None:
    """One column of the index is enough; the best may be NULL, which is equal to nothing. Never the key."""
    shapes = {column.name: column for column in table.shape.columns}
    free = [name for name in unique if name not in table.spec.key and not shapes[name].generated]
    by_ease = sorted(
        free, key=lambda name: (not shapes[name].nullable, affinity(shapes[name].type) != "text")
    )
    return by_ease[0] if by_ease else None


def _nobodys(table: Table, name: str) -> tuple[str, ...]:
    """What nobody has, the likeliest to be allowed first."""
    column = next(each for each in table.shape.columns if each.name == name)
    kind = affinity(column.type)
    if kind == "blob":
        values: tuple[str, ...] = ("randomblob(16)",)
    elif kind == "text":
        values = (
            "'parked ' || hex(randomblob(12))",
            "hex(randomblob(6))",
            f"hex(randomblob(6)) || {quoted(name)}",
        )
    else:
        values = ("-abs(random() / 2)", "abs(random() / 2)", "2147483647 - abs(random() % 1000000000)")
    return ("NULL", *values) if column.nullable else values
