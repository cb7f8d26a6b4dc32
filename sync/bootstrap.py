"""The only place of this room that picks adapters: from a plan to the two databases of a slice."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from migration.core.plan import Plan, Slice
from sync.core.records import TableShape
from sync.core.values import Side, SliceSpec
from sync.errors import DatabaseAway, Refused
from sync.ports import Pair, SideDatabase
from sync.spec import read_spec


def open_database(url: str, side: Side, specs: Mapping[str, SliceSpec]) -> SideDatabase:
    """The database at `url` (SQLAlchemy form), which knows the slices in `specs`; not connected."""
    if url.startswith("sqlite:"):
        from sync.adapters.sqlite.database import database as sqlite

        return sqlite(url, side, specs)
    try:
        from sync.adapters.postgres.database import database as postgres
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise DatabaseAway(
            f"the {side} database is PostgreSQL, and its driver is not installed; "
            'Next: pip install "strangler-fig[postgres]"'
        ) from None
    return postgres(url, side, specs)


def open_pair(plan: Plan, slice_name: str) -> Pair:
    """Both databases of a slice and what is mapped between them, compared with their tables.

    Raises DatabaseAway, PlanMismatch (tables and plan do not fit), PlanError (a mapping file is wrong), and
    Refused for a slice that is not kept in step.
    """
    part = synced(plan, slice_name)
    urls = {side: database_url(plan, part, side) for side in Side}
    shapes = {side: _shapes(urls[side], side, part) for side in Side}
    spec = read_spec(part, shapes[Side.LEGACY], shapes[Side.EXTRACTED])
    legacy, extracted = (open_database(urls[side], side, {spec.name: spec}) for side in Side)
    return Pair(spec, legacy, extracted, _options(part))


def synced(plan: Plan, slice_name: str) -> Slice:
    """The slice, whose data has to be kept in step; Refused, with what would be."""
    part = plan.slices.get(slice_name)
    if part is not None and part.data == "sync":
        return part
    names = ", ".join(name for name, each in plan.slices.items() if each.data == "sync") or "none"
    what = f"data = {part.data!r}" if part is not None else "not in the plan"
    raise Refused(f"{slice_name}: {what}; kept in step: {names}. Next: strangler plan show")


def database_url(plan: Plan, part: Slice, side: Side) -> str:
    """Where the slice's data is on `side`; the checked plan of a synced slice names both."""
    url = plan.legacy.database if side is Side.LEGACY else plan.services[part.service].database
    if url is None:
        raise Refused(f"{part.name}: the {side} side has no database; add it to the plan")
    return url


def _shapes(url: str, side: Side, part: Slice) -> Mapping[str, TableShape]:
    tables = [
        name for one in part.entities for name in (one.legacy if side is Side.LEGACY else one.extracted)
    ]
    with contextlib.closing(open_database(url, side, {}).session("strangler: looks at tables")) as session:
        return session.shapes(tables)


def _carried(part: Slice) -> Iterator[tuple[str, str, str, str]]:
    """Columns whose values the plan carries as they are: legacy's table and column, and the service's."""
    for entity in part.entities:
        for column in entity.columns:
            if column.conversion in ("same", "decimal"):
                yield entity.legacy[0], column.legacy, entity.extracted[0], column.extracted


def _options(part: Slice) -> dict[str, object]:
    return {
        "hold": part.hold,
        "outbox_max": part.outbox_max,
        "outbox_age": part.outbox_age,
        "moving": part.moving,
        "owners": dict(part.owners or {}),
        "columns": tuple(_carried(part)),
    }
