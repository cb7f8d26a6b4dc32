"""The statements that put rows into a mapped table and take them out: any number of rows in one statement."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any

from sync.adapters.postgres.coding import TEXTS, array_of, encoded
from sync.adapters.postgres.link import Link
from sync.adapters.postgres.names import quoted
from sync.adapters.postgres.tables import Column, ForeignLink, Table
from sync.core import keys
from sync.core.sizes import LARGEST
from sync.core.values import Key, Row

# An upsert by ON CONFLICT checks NOT NULL of columns that we do not map before it sees that the row is there,
# so: update what is there and differs, insert the rest. The side is closed, nobody comes between.
_PUT = """WITH u ({names}) AS MATERIALIZED (SELECT {sent} FROM unnest({places}) AS s({names})),
changed AS (UPDATE {table} AS t SET {sets} FROM u WHERE {same_key} AND ({given}) IS DISTINCT FROM ({fresh}))
INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE
SELECT {names} FROM u WHERE NOT EXISTS (SELECT FROM {table} AS t WHERE {same_key})"""
_PUT_NEW = """INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE
SELECT {sent} FROM unnest({places}) AS s({names})"""
_PUT_KEY = """INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE
SELECT {names} FROM (SELECT {sent} FROM unnest({places}) AS s({names})) AS u ({names})
WHERE NOT EXISTS (SELECT FROM {table} AS t WHERE {same_key})"""


def columns_of(table: Table, rows: Sequence[Row]) -> list[str]:
    """The rows as one array of texts a column; ValueError names the column whose value has no text."""
    arrays = []
    for name in written(table, rows[0]):
        column = table.columns[name]
        values = [row[name] for row in rows]
        try:
            if name in table.spec.key:
                table.check_key(name, values)
            arrays.append(array_of(_texts(values, column)))
        except ValueError as error:
            raise ValueError(f"{table.spec.name}.{name}: {error}") from None
    return arrays


def _texts(values: Sequence[Any], column: Column) -> Iterable[str | None]:
    """Each as text for its column; what nearly all columns hold without asking each value what it is."""
    kinds = set(map(type, values))
    if kinds == {int}:
        return map(str, values)
    if kinds == {uuid.UUID} and column.base == "uuid":
        return keys.spelled_uuids(values)
    if kinds == {str} and column.base in TEXTS:
        joined = "".join(values)
        # What a text may be refused for is in none of them.
        if len(joined) <= LARGEST and joined.isascii() and "\x00" not in joined:
            return values
    return [column_text(each, column) for each in values]


def column_text(value: Any, column: Column) -> str | None:
    """`value` as text for its column; JSON's null where SQL's is not allowed."""
    if value is None and not column.nullable and column.base in ("json", "jsonb"):
        return "null"
    if column.hex_uuid and isinstance(value, uuid.UUID):
        return value.hex
    return encoded(value, "text" if column.labels else column.base)


def written(table: Table, row: Row) -> tuple[str, ...]:
    """The columns of `row` that we write: generated ones write themselves."""
    return tuple(name for name in table.spec.columns if name in row and not table.columns[name].generated)


def put(link: Link, table: Table, rows: Sequence[Row], *, new: bool = False) -> None:
    """Make these rows be there; all of them have the same columns. `new`: refused where one is there."""
    link.raw(_put_statement(_Named(table), written(table, rows[0]), new), columns_of(table, rows))


class _Named:
    """A table that hashes by where it is, so that its statements are made once."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def __hash__(self) -> int:
        return hash((self.table.oid, self.table.name))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Named) and other.table is self.table


@lru_cache(256)
def _put_statement(named: _Named, names: tuple[str, ...], new: bool) -> str:
    table = named.table
    columns = [table.columns[name] for name in names]
    rest = [each for each in columns if each.name not in table.spec.key]
    values = {
        "table": table.name,
        "names": ", ".join(map(quoted, names)),
        "places": ", ".join("%s::text[]" for _ in names),
        "sent": ", ".join(each.sent("s") for each in columns),
        "sets": ", ".join(f"{quoted(each.name)} = u.{quoted(each.name)}" for each in rest),
        "given": ", ".join(each.given("t") for each in rest),
        "fresh": ", ".join(each.given("u") for each in rest),
        "same_key": " AND ".join(f"t.{quoted(name)} = u.{quoted(name)}" for name in table.spec.key),
    }
    return (_PUT_NEW if new else _PUT if rest else _PUT_KEY).format(**values)


def take(link: Link, table: Table, keys: Collection[Key]) -> None:
    """Make the rows of these keys be gone."""
    link.raw(f"DELETE FROM {table.name} AS t WHERE {table.among()}", table.arrays(keys))  # noqa: S608


def dangling(link: Link, table: Table, key: ForeignLink, keys: Collection[Key]) -> list[tuple[Key, str]]:
    """Rows of these keys whose foreign key points at nothing: replica mode checks none."""
    own = ", ".join(f"t.{quoted(name)}" for name in table.spec.key)
    held = [f"t.{quoted(name)}" for name in key.columns]
    matches = " AND ".join(
        f"r.{quoted(theirs)} = {mine}" for theirs, mine in zip(key.to_columns, held, strict=True)
    )
    filled = " AND ".join(f"{each} IS NOT NULL" for each in held)
    found = link.raw(
        f"SELECT {own}, concat_ws(', ', {', '.join(held)}) FROM {table.name} AS t"  # noqa: S608
        f" WHERE {table.among()} AND {filled} AND NOT EXISTS (SELECT FROM {key.to} AS r WHERE {matches})",
        table.arrays(keys),
    )
    said = f"{', '.join(key.columns)} = %s: there is no such row in {key.to}"
    return [(table.key_of(row[:-1]), said % row[-1]) for row in found]


def referred(link: Link, table: Table, key: ForeignLink, keys: Collection[Key]) -> list[Key]:
    """Keys that are about to be gone for good while rows of `key`'s table still point at them."""
    if key.to_columns != table.spec.key or not keys:
        return []
    names = [f"k{at}" for at in range(len(table.spec.key))]
    pairs = list(zip(names, table.spec.key, strict=True))
    listed, given = ", ".join(names), ", ".join("%s::text[]" for _ in names)
    cast = ", ".join(f"{table.columns[column].wanted(name)} AS {name}" for name, column in pairs)
    held = zip(key.columns, names, strict=True)
    matches = " AND ".join(f"c.{quoted(column)} = u.{name}" for column, name in held)
    link.raw("SET LOCAL enable_hashjoin = on")  # the column that refers may well have no index
    found = link.raw(
        f"SELECT {listed} FROM (SELECT {cast} FROM unnest({given}) AS s({listed})) AS u"  # noqa: S608
        f" WHERE EXISTS (SELECT FROM {key.name} AS c WHERE {matches})",
        table.arrays(keys),
    )
    link.raw("SET LOCAL enable_hashjoin = off")
    return [table.key_of(row) for row in found]
