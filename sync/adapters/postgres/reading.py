"""Rows and keys of entities, read the same way by snapshots and rounds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache

from sync.adapters.postgres.coding import digits_as_uuid
from sync.adapters.postgres.link import Link
from sync.adapters.postgres.names import quoted
from sync.adapters.postgres.tables import Table, Tables
from sync.core.sizes import LARGEST, too_large
from sync.core.values import Key, Row, Rows, Unreadable


def rows_of(link: Link, tables: Tables, entity: str, keys: Collection[Key]) -> Mapping[Key, Rows]:
    """The entity's rows for those keys whose root row exists."""
    if not keys:
        return {}
    root, *others = tables.of(entity)
    found: dict[Key, dict[str, Row | None]] = {
        key: {root.spec.name: row} for key, row in _rows(link, root, keys).items()
    }
    for table in others:
        there = _rows(link, table, list(found))
        for key, rows in found.items():
            rows[table.spec.name] = there.get(key)
    return found


def _rows(link: Link, table: Table, keys: Collection[Key]) -> dict[Key, Row]:
    if not keys:
        return {}
    names = table.spec.columns
    sizes = {name: size for name in names if (size := table.columns[name].size("t"))}
    listed = _guarded(names, tuple(sizes.values()), tuple(sizes))
    read = link.run(f"SELECT {listed} FROM {table.name} AS t WHERE {table.among()}", table.arrays(keys))  # noqa: S608
    rows = [dict(zip(names, row)) for row in read]  # noqa: B905 - behind the columns come the sizes
    for row, values in zip(rows, read, strict=True) if sizes else ():
        if values[-1] is not None:
            row.update(_too_large(zip(sizes, values[-1], strict=True)))
    for name in table.hex_columns:
        for row in rows:
            row[name] = digits_as_uuid(row[name])
    if not table.plain_key:
        return {table.key_of([row[name] for name in table.spec.key]): row for row in rows}
    if len(table.spec.key) == 1:
        key = table.spec.key[0]
        return {(row[key],): row for row in rows}
    return {tuple(row[name] for name in table.spec.key): row for row in rows}


@cache
def _guarded(names: tuple[str, ...], sizes: tuple[str, ...], large: tuple[str, ...]) -> str:
    """What is selected: nothing that is too large to be carried, but all sizes where anything is."""
    size = dict(zip(large, sizes, strict=True))
    read = [
        f"CASE WHEN {size[name]} > {LARGEST} THEN NULL ELSE t.{quoted(name)} END"
        if name in size
        else f"t.{quoted(name)}"
        for name in names
    ]
    if sizes:
        read.append(f"CASE WHEN greatest({', '.join(sizes)}) > {LARGEST} THEN ARRAY[{', '.join(sizes)}] END")
    return ", ".join(read)


def _too_large(sizes: Iterable[tuple[str, int | None]]) -> dict[str, Unreadable]:
    return {name: Unreadable("", why) for name, size in sizes if (why := too_large(size or 0))}


def existing(link: Link, table: Table, keys: Collection[Key]) -> frozenset[Key]:
    """Which keys have a row."""
    if not keys:
        return frozenset()
    return frozenset(_keys(link, table, f"WHERE {table.among()}", table.arrays(keys)))


def keys_after(link: Link, table: Table, after: Key | None, limit: int) -> Sequence[Key]:
    """The next keys above `after`."""
    where, values = _above(table, after)
    return _keys(link, table, f"{where} ORDER BY {_key_columns(table)} LIMIT {int(limit)}", values)


@cache
def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"t.{quoted(name)}" for name in names)


def _key_columns(table: Table) -> str:
    return _listed(table.spec.key)


def _keys(link: Link, table: Table, rest: str, values: Sequence[object]) -> list[Key]:
    found = link.run(f"SELECT {_key_columns(table)} FROM {table.name} AS t {rest}", values)  # noqa: S608
    return found if table.plain_key else [table.key_of(row) for row in found]


def _above(table: Table, after: Key | None) -> tuple[str, list[str]]:
    if after is None:
        return "", []
    given = ", ".join(f"%s::text::{table.columns[name].cast}" for name in table.spec.key)
    return f"WHERE ({_key_columns(table)}) > ({given})", table.texts(after)
