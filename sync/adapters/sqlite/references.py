"""Foreign keys, checked by us: SQLite names no row, and its cascades would take rows that nobody deleted."""

# ruff: noqa: S608 - names of tables and columns come from the plan and the schema, and are quoted

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sync.adapters.sqlite.schema import quoted
from sync.adapters.sqlite.tables import Table, Target

if TYPE_CHECKING:
    from sync.adapters.sqlite.apply import Batch


def broken(
    connection: sqlite3.Connection, batches: Sequence[Batch]
) -> dict[tuple[str, tuple[object, ...]], str]:
    """The keys of these batches that refer to nothing, or that rows still refer to; by entity and key."""
    problems: dict[tuple[str, tuple[object, ...]], str] = {}
    for batch in batches:
        found = _orphans(connection, batch) if batch.names else _bereaved(connection, batch)
        for at, why in found:
            problems.setdefault((batch.entity, batch.keys[at]), why)
    return problems


def _orphans(connection: sqlite3.Connection, batch: Batch) -> Iterator[tuple[int, str]]:
    """Rows that were written and refer to a row that is not there."""
    table = batch.table
    for each in table.shape.foreign_keys:
        if not set(each.columns) & set(batch.names):
            continue
        target = Target(table.spec.name, each.columns, each.to_table, each.to_columns)
        for at, values in _without_parent(connection, table, batch, target):
            yield at, f"{table.spec.name}: there is no {each.to_table} {values}, which it refers to"


def _without_parent(
    connection: sqlite3.Connection, table: Table, batch: Batch, target: Target
) -> list[tuple[int, str]]:
    """(place in the batch, what it refers to) of the rows without parent."""
    # The values as they were stored: what the table's own types made of them.
    key = [batch.names.index(name) for name in table.spec.key]
    wanted = json.dumps([[values[at] for at in key] for values in batch.values])
    mine = _join("t", table.spec.key, [f"json_extract(j.value, '$[{at}]')" for at in range(len(key))])
    given = " AND ".join(f"t.{quoted(name)} IS NOT NULL" for name in target.columns)
    theirs = _join("p", target.to_columns, [f"t.{quoted(name)}" for name in target.columns])
    shown = " || '/' || ".join(f"t.{quoted(name)}" for name in target.columns)
    sql = (
        f"SELECT j.key, {shown} FROM json_each(?) AS j CROSS JOIN {table.name} AS t ON {mine} "
        f"WHERE {given} AND NOT EXISTS (SELECT 1 FROM {quoted(target.to_table)} AS p WHERE {theirs})"
    )
    return connection.execute(sql, (wanted,)).fetchall()


def _bereaved(connection: sqlite3.Connection, batch: Batch) -> Iterator[tuple[int, str]]:
    """Rows that were deleted and are still referred to."""
    table = batch.table
    for target in table.referring:
        if len(target.columns) != len(target.to_columns) or set(target.to_columns) != set(table.spec.key):
            continue  # the value that is referred to is gone with the row; only its key is known here
        order = [table.spec.key.index(name) for name in target.to_columns]
        wanted = json.dumps([list(values) for values in batch.values])
        theirs = _join("c", target.columns, [f"json_extract(j.value, '$[{at}]')" for at in order])
        still = _join("p", table.spec.key, [f"json_extract(j.value, '$[{at}]')" for at in range(len(order))])
        sql = (
            f"SELECT j.key FROM json_each(?) AS j WHERE EXISTS (SELECT 1 FROM {quoted(target.table)} AS c "
            f"WHERE {theirs}) AND NOT EXISTS (SELECT 1 FROM {table.name} AS p WHERE {still})"
        )
        for (at,) in connection.execute(sql, (wanted,)).fetchall():
            yield at, f"{table.spec.name}: rows of {target.table} still refer to it"


def _join(alias: str, columns: Sequence[str], values: Sequence[str]) -> str:
    return " AND ".join(
        f"{alias}.{quoted(name)} = {value}" for name, value in zip(columns, values, strict=True)
    )
