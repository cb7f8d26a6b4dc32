"""How this database compares text: its order, and unique indexes that take differing values for one."""

from __future__ import annotations

import re

from sync.adapters.postgres.link import Link
from sync.adapters.postgres.statements import statements
from sync.adapters.postgres.tables import Tables
from sync.core.collations import Collations, Fold

_SQL = statements("audit.sql")
_CASE = (Fold.ASCII, Fold.CASE)
_STRENGTH = re.compile(r"ks-level(\d)|colstrength=(primary|secondary)", re.IGNORECASE)


def collations(link: Link, tables: Tables) -> Collations:
    """Indexes of columns that nobody maps are this side's own affair."""
    blind: dict[str, dict[str, str]] = {}
    computed: dict[str, str] = {}
    by_oid = {each.oid: each for each in tables.by_name.values()}
    for oid, index, hows, is_computed, columns in link.run(_SQL["compared"], {"tables": tables.oids}):
        table = by_oid[oid]
        if not set(columns) & set(table.spec.columns):
            continue
        entity = tables.spec.entity_of(tables.side, table.spec.name).name
        where = f"{table.name}, index {index}"
        for how in hows:
            blind.setdefault(entity, {}).update(dict.fromkeys(folds(how), where))
        if is_computed and not hows:
            computed[entity] = where
    return Collations(str(link.one(_SQL["sorting"])), blind, computed)


def folds(how: str) -> tuple[Fold, ...]:
    """What a type, or a nondeterministic collation of this locale (`icu:…`), takes for one."""
    if how == "citext":
        return _CASE
    if how == "bpchar":
        return (Fold.PADDING,)
    strength = _STRENGTH.search(how)
    level = (strength[1] or {"primary": "1", "secondary": "2"}[strength[2].lower()]) if strength else "3"
    if level == "1":
        return (Fold.ACCENTS, Fold.FORM, *(() if "kc-true" in how else _CASE))
    return (*_CASE, Fold.FORM) if level == "2" else (Fold.FORM,)
