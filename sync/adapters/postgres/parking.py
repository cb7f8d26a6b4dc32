"""Unique values that change places: out of each other's way by UPDATE, then set. No row is deleted for it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence

import psycopg

from sync.adapters.postgres.link import Link
from sync.adapters.postgres.names import quoted
from sync.adapters.postgres.tables import Column, Table
from sync.core.values import Key

_DIGITS = "md5(random()::text || clock_timestamp()::text)"
# What nobody else has, the likeliest first: a CHECK or a length may forbid one. A short range may also meet
# itself by chance, so it is tried twice.
_TEXTS = (_DIGITS, f"left({_DIGITS}, 12)", f"left({_DIGITS}, 12) || {{column}}")
_INT4 = ("-1 - (random() * 2147483000)::int4", "2147483647 - (random() * 1000000000)::int4")
_INT8 = ("-1 - (random() * 9e18)::int8", "9e18::int8 - (random() * 4e18)::int8")
_MOMENT = ("timestamp '0100-01-01' + random() * interval '900 years'",)
_NOBODYS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("text", "varchar", "bpchar", "citext", "name"), _TEXTS),
    "uuid": ("gen_random_uuid()",),
    "int4": _INT4 * 2,
    "int8": _INT8,
    "numeric": _INT8 + _INT4 * 2,
    "timestamp": _MOMENT,
    "timestamptz": _MOMENT,
}
# The columns that a unique index over expressions reads; those of the others are known.
_READ = """SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_index i
JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refobjid = i.indrelid
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE i.indrelid = %s AND i.indisunique AND i.indexprs IS NOT NULL GROUP BY i.indexrelid"""
_OF_THE_VALUE = ("22", "23", "P0")


def park(link: Link, table: Table, keys: Collection[Key]) -> None:
    """Move the unique values of these rows out of each other's way, until they are what they shall be.

    What a table does not let go of stays where it is: such values cannot change places, but may move on.
    """
    columns = _to_park(table, [*table.uniques, *(row[0] for row in link.raw(_READ, (table.oid,)))])
    if not keys or not columns:
        return
    if not _moved(link, table, keys, [(each, _choices(each)[0]) for each in columns]):
        for column in columns:
            any(_moved(link, table, keys, [(column, choice)]) for choice in _choices(column))


def _moved(link: Link, table: Table, keys: Collection[Key], to: list[tuple[Column, str]]) -> bool:
    sets = ", ".join(f"{quoted(column.name)} = {choice}" for column, choice in to)
    link.raw("SAVEPOINT park")
    try:
        link.raw(f"UPDATE {table.name} AS t SET {sets} WHERE {table.among()}", table.arrays(keys))  # noqa: S608
    except psycopg.Error as error:
        if not (error.sqlstate or "").startswith(_OF_THE_VALUE):
            raise
        link.raw("ROLLBACK TO SAVEPOINT park; RELEASE SAVEPOINT park")
        return False
    link.raw("RELEASE SAVEPOINT park")
    return True


def _to_park(table: Table, uniques: Iterable[Sequence[str]]) -> list[Column]:
    """One mapped column of each unique index, none of the key; NULL is the best place to wait."""
    chosen: dict[str, Column] = {}
    for names in uniques:
        mapped = [
            table.columns[name]
            for name in names
            if name in table.spec.columns and name not in table.spec.key and not table.columns[name].generated
        ]
        able = [each for each in mapped if each.nullable] or [each for each in mapped if _choices(each)]
        if able:
            chosen[able[0].name] = able[0]
    return list(chosen.values())


def _choices(column: Column) -> list[str]:
    nobodys = [each.format(column=f"t.{quoted(column.name)}") for each in _NOBODYS.get(column.base, ())]
    return list(itertools.chain(["NULL"] if column.nullable else [], nobodys))
