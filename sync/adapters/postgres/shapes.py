"""The tables as the database has them, for the plan's check and for drafts of mappings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sync.adapters.postgres.link import Link
from sync.adapters.postgres.statements import statements
from sync.adapters.postgres.tables import resolved
from sync.core.records import ColumnShape, ForeignKey, TableShape
from sync.errors import PlanMismatch

_CATALOG = statements("catalog.sql")


def shapes(link: Link, names: Sequence[str], search_path: str) -> Mapping[str, TableShape]:
    """The named tables; one that is missing is left out."""
    oids = resolved(link, names, search_path)
    if not oids:
        return {}
    wanted = {"tables": list(oids.values())}
    columns: dict[int, list[ColumnShape]] = {oid: [] for oid in oids.values()}
    for oid, name, _, _, _, not_null, generated, written, default, identity, *_ in link.run(
        _CATALOG["columns"], wanted
    ):
        given = "identity" if identity else default
        columns[oid].append(ColumnShape(name, written.lower(), not not_null, generated, given))
    uniques = link.run(_CATALOG["uniques"], wanted)
    keys = link.run(_CATALOG["foreign_keys"], wanted)
    triggers = link.run(_CATALOG["triggers"], wanted)
    return {
        name: TableShape(
            name,
            tuple(columns[oid]),
            next((tuple(cols) for table, primary, cols in uniques if table == oid and primary), ()),
            tuple(tuple(cols) for table, primary, cols in uniques if table == oid and not primary),
            tuple(ForeignKey(tuple(row[1]), row[7], tuple(row[3]), row[4]) for row in keys if row[0] == oid),
            tuple(trigger for table, trigger in triggers if table == oid),
        )
        for name, oid in oids.items()
    }


def count(link: Link, name: str, search_path: str) -> int:
    """The planner's estimate over the table and its partitions; counted where it has none or it is small."""
    found = resolved(link, [name], search_path)
    if name not in found:
        raise PlanMismatch(f"{link.where}: no table {name}; correct the plan")
    oid = found[name]
    estimate, written = link.run(
        """WITH RECURSIVE tree (oid) AS (SELECT %s::oid UNION
            SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid)
        SELECT sum(greatest(c.reltuples, 0))::bigint, %s::oid::regclass::text
        FROM tree JOIN pg_class c USING (oid)""",
        (oid, oid),
    )[0]
    if estimate < 10_000:
        return int(link.one(f"SELECT count(*) FROM (SELECT FROM {written} LIMIT 200000) AS part"))  # noqa: S608
    return int(estimate)
