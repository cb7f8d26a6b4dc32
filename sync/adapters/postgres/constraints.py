"""Constraints as the catalog has them, where we have to enforce them ourselves."""

from __future__ import annotations

from dataclasses import dataclass

from sync.adapters.postgres.link import Link
from sync.adapters.postgres.statements import statements

_CATALOG = statements("catalog.sql")


@dataclass(frozen=True, slots=True)
class Deferrable:
    """A key, unique or exclusion constraint that may be deferred; `parts`, `operators` and `only` are SQL."""

    name: str
    parts: tuple[str, ...]
    operators: tuple[str, ...]
    only: str
    nulls_too: bool
    partitioned: bool


def deferrables(link: Link, oids: list[int]) -> dict[int, list[Deferrable]]:
    """Those of each table."""
    found: dict[int, list[Deferrable]] = {oid: [] for oid in oids}
    for oid, name, parts, operators, *rest, _ in link.run(_CATALOG["deferrable"], {"tables": oids}):
        found[oid].append(Deferrable(name, tuple(parts), tuple(operators), *rest))
    return found
