"""How this database compares text: its order, and unique indexes that take differing values for one."""

from __future__ import annotations

from sync.adapters.postgres.link import Link
from sync.adapters.postgres.statements import statements
from sync.adapters.postgres.tables import Tables
from sync.core.collations import Collations

_SQL = statements("audit.sql")


def collations(link: Link, tables: Tables) -> Collations:
    """Indexes of columns that nobody maps are this side's own affair."""
    blind: dict[str, str] = {}
    computed: dict[str, str] = {}
    by_oid = {each.oid: each for each in tables.by_name.values()}
    for oid, index, is_blind, is_computed, columns in link.run(_SQL["compared"], {"tables": tables.oids}):
        table = by_oid[oid]
        if not set(columns) & set(table.spec.columns):
            continue
        entity = tables.spec.entity_of(tables.side, table.spec.name).name
        where = f"{table.name}, index {index}"
        if is_blind:
            blind[entity] = where
        elif is_computed:
            computed[entity] = where
    return Collations(str(link.one(_SQL["sorting"])), blind, computed)
