"""Deferrable keys, unique and exclusion constraints, which replica mode does not enforce at all: we look.

Triggers of the server's own check them, and those are asleep while a round applies, whether the constraint is
INITIALLY DEFERRED or not (tried on 15: two rows of one primary key were committed).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sync.adapters.postgres.constraints import Deferrable
from sync.adapters.postgres.link import Link
from sync.adapters.postgres.names import quoted
from sync.adapters.postgres.tables import Table
from sync.core.values import Key

# Both halves spell the index's own expressions over the table's own names: the index answers.
_DOUBLED = """SELECT {mine} FROM (SELECT {names}, {parts} FROM {table} AS w WHERE {among} AND {only}) AS u
WHERE EXISTS (SELECT FROM (SELECT {names}, {parts} FROM {table} AS w WHERE {only}) AS t
    WHERE {same} AND (t."sf place", t."sf part") IS DISTINCT FROM (u."sf place", u."sf part")
    AND ({whose}))"""
_OTHERS = "({among_them}) IS NOT TRUE"
_FIRST = "({theirs}) <= ({mine}) AND {among_them}"


def doubled(link: Link, table: Table, keys: Collection[Key]) -> Iterator[tuple[Key, str]]:
    """The rows of these keys that have what another row has, with the words for it."""
    for each in table.deferrable if keys else ():
        why = f"another row has the same by {each.name}, which is deferrable"
        # Of rows that are new the first may stay, as with any other constraint, unless it has to wait itself.
        left = set(keys)
        for whose in (_OTHERS, _FIRST):
            found = link.raw(_statement(table, each, whose), 2 * table.arrays(left))
            refused = {table.key_of(row) for row in found}
            left -= refused
            yield from ((key, why) for key in refused)


def _statement(table: Table, one: Deferrable, whose: str) -> str:
    mine, theirs = (", ".join(f"{half}.{quoted(name)}" for name in table.spec.key) for half in "ut")
    names = [f"w.{quoted(name)} AS {quoted(name)}" for name in table.spec.key]
    return _DOUBLED.format(
        names=", ".join([*names, 'w.ctid AS "sf place", w.tableoid AS "sf part"']),
        mine=mine,
        parts=", ".join(f"{each} AS {quoted(f'{at} of it')}" for at, each in enumerate(one.parts)),
        table=table.name if one.partitioned else f"ONLY {table.name}",
        only=one.only,
        among=table.among("w"),
        whose=whose.format(among_them=table.among("t"), mine=mine, theirs=theirs),
        same=" AND ".join(_same(one, at) for at in range(len(one.parts))),
    )


def _same(one: Deferrable, at: int) -> str:
    name = quoted(f"{at} of it")
    same = f"t.{name} {one.operators[at]} u.{name}"
    return f"({same} OR t.{name} IS NULL AND u.{name} IS NULL)" if one.nulls_too else same
