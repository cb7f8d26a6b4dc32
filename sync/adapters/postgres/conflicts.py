"""Which rows have what a round's changes need: unique values, or a reference to a row that shall go."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg

from sync.adapters.postgres import writing
from sync.adapters.postgres.link import Link
from sync.adapters.postgres.names import quoted
from sync.adapters.postgres.tables import ForeignLink, Table, Tables
from sync.core.conflicts import KEYS, Claim
from sync.core.values import Change, Row

# Every unique index, the expressions and predicate of some included, as text that names columns alone.
_INDEXES = """SELECT i.indrelid, ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, true)
        FROM generate_series(1, i.indnkeyatts::int) AS n ORDER BY n),
    coalesce(pg_get_expr(i.indpred, i.indrelid), 'true'),
    ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY k(num, pos) JOIN pg_attribute a
        ON a.attrelid = i.indrelid AND a.attnum = k.num WHERE k.pos <= i.indnkeyatts ORDER BY k.pos)
FROM pg_index i WHERE i.indrelid = ANY(%s::oid[]) AND i.indisunique AND i.indisvalid ORDER BY i.indexrelid"""
# Both halves spell the index's own expressions over the table's own names: the index answers.
_HOLDERS = """SELECT u.n, {theirs} FROM
(SELECT n, {keys}, {parts} FROM (SELECT n, {sent} FROM unnest({places}) WITH ORDINALITY AS s({names}, n)) AS w
    WHERE {only}) AS u
JOIN (SELECT {keys}, {parts} FROM {table} AS w WHERE {only}) AS t ON {same}
WHERE ({theirs}) IS DISTINCT FROM ({mine}) LIMIT {limit}"""
_REFERRERS = """SELECT u.n, {theirs} FROM
(SELECT n, {sent} FROM unnest({places}) WITH ORDINALITY AS s({names}, n)) AS u
JOIN {table} AS t ON {same} LIMIT {limit}"""
# A value that is none; or what the index asks for is not ours to call, or not mapped: it is left out.
_OF_THE_ROW, _OF_THE_INDEX = ("22", "23", "P0"), "42"


@dataclass(frozen=True, slots=True)
class _Index:
    parts: tuple[str, ...]
    only: str
    columns: tuple[str, ...]  # fewer than parts where one is an expression

    @property
    def plain(self) -> tuple[str, ...]:
        return self.columns if len(self.columns) == len(self.parts) else ()


def claims(link: Link, tables: Tables, changes: Sequence[Change]) -> list[Claim]:
    """Who has what these changes need, the changes' own rows among them."""
    indexes: dict[int, list[_Index]] = {}
    if changes:
        for oid, parts, only, columns in link.run(_INDEXES, (tables.oids,)):
            indexes.setdefault(oid, []).append(_Index(tuple(parts), only, tuple(columns)))
    found: list[Claim] = []
    by_entity = itertools.groupby(sorted(changes, key=lambda each: each.entity), lambda each: each.entity)
    with link.told():
        for entity, group in by_entity:
            mine = list(group)
            for table in tables.of(entity):
                for index in indexes.get(table.oid, ()):
                    if set(index.plain) != set(table.spec.key):
                        found += _holders(link, table, index, mine)
                for key in table.into:
                    found += _referrers(
                        link, tables, table, key, [each for each in mine if each.rows is None]
                    )
    return found


def _holders(link: Link, table: Table, index: _Index, changes: Sequence[Change]) -> Iterator[Claim]:
    shapes: dict[tuple[str, ...], list[tuple[Change, Row]]] = {}
    for change in changes:
        row = (change.rows or {}).get(table.spec.name)
        if row is not None:
            shapes.setdefault(tuple(row), []).append((change, row))
    for pairs in shapes.values():
        yield from _of_one_shape(link, table, index, pairs)


def _of_one_shape(
    link: Link, table: Table, index: _Index, pairs: Sequence[tuple[Change, Row]]
) -> Iterator[Claim]:
    """Halved where a value cannot be sent: the rest is asked for all the same."""
    link.raw("SAVEPOINT claims")
    try:
        found = _ask(link, table, index, [row for _, row in pairs])
    except (psycopg.Error, ValueError) as error:
        state = (error.sqlstate or "") if isinstance(error, psycopg.Error) else _OF_THE_ROW[0]
        if not state.startswith((*_OF_THE_ROW, _OF_THE_INDEX)):
            raise
        link.raw("ROLLBACK TO SAVEPOINT claims; RELEASE SAVEPOINT claims")
        if len(pairs) > 1 and not state.startswith(_OF_THE_INDEX):
            middle = len(pairs) // 2
            yield from _of_one_shape(link, table, index, pairs[:middle])
            yield from _of_one_shape(link, table, index, pairs[middle:])
        return
    link.raw("RELEASE SAVEPOINT claims")
    for n, *key in found:
        change = pairs[n - 1][0]
        holder = (change.entity, table.key_of(key))
        yield Claim((change.entity, change.key), holder, table.spec.name, index.plain)


def _ask(link: Link, table: Table, index: _Index, rows: Sequence[Row]) -> list[tuple[int, object]]:
    names = writing.written(table, rows[0])
    keys = [f"k{at}" for at in range(len(table.spec.key))]
    parts = [f"e{at}" for at in range(len(index.parts))]
    values = {
        "table": table.name,
        "names": ", ".join(map(quoted, names)),
        "places": ", ".join("%s::text[]" for _ in names),
        "sent": ", ".join(f"{table.columns[name].sent('s')} AS {quoted(name)}" for name in names),
        "keys": ", ".join(
            f"w.{quoted(name)} AS {key}" for name, key in zip(table.spec.key, keys, strict=True)
        ),
        "parts": ", ".join(
            f"({_safe(part)}) AS {name}" for part, name in zip(index.parts, parts, strict=True)
        ),
        "only": _safe(index.only),
        "same": " AND ".join(f"t.{name} = u.{name}" for name in parts),
        "theirs": ", ".join(f"t.{key}" for key in keys),
        "mine": ", ".join(f"u.{key}" for key in keys),
        "limit": KEYS,
    }
    return link.raw(_HOLDERS.format(**values), writing.columns_of(table, rows))


def _safe(expression: str) -> str:
    return expression.replace("%", "%%")


def _referrers(
    link: Link, tables: Tables, table: Table, key: ForeignLink, changes: Sequence[Change]
) -> Iterator[Claim]:
    """Rows of the slice that refer to those that shall go."""
    other = next((each for each in tables.by_name.values() if each.oid == key.table), None)
    if not changes or other is None or key.to_columns != table.spec.key:
        return
    entity = tables.spec.entity_of(tables.side, other.spec.name).name
    names = [f"k{at}" for at in range(len(table.spec.key))]
    pairs = list(zip(names, table.spec.key, strict=True))
    values = {
        "table": other.name,
        "names": ", ".join(names),
        "places": ", ".join("%s::text[]" for _ in names),
        "sent": ", ".join(f"{table.columns[column].wanted(f's.{name}')} AS {name}" for name, column in pairs),
        "same": " AND ".join(
            f"t.{quoted(column)} = u.{name}" for column, name in zip(key.columns, names, strict=True)
        ),
        "theirs": ", ".join(f"t.{quoted(name)}" for name in other.spec.key),
        "limit": KEYS,
    }
    link.raw("SET LOCAL enable_hashjoin = on")  # the column that refers may well have no index
    found = link.raw(_REFERRERS.format(**values), table.arrays([each.key for each in changes]))
    link.raw("SET LOCAL enable_hashjoin = off")
    for n, *held in found:
        change = changes[n - 1]
        yield Claim((change.entity, change.key), (entity, other.key_of(held)), other.spec.name, ())
