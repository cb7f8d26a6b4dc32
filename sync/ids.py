"""Legacy's integers for rows that are born in the service: blocks drawn from legacy's own generator."""

from __future__ import annotations

from collections.abc import Collection

from sync.core.values import Entity, Side
from sync.errors import PlanMismatch, Refused
from sync.ports import Session
from sync.relay import Sessions

BLOCK = (
    10_000  # integers: half of it outlasts the look that refills it, every 5 s, at 1,000 new rows a second
)
FIRST = 2_500  # where nobody can write while it is drawn (10,000 took 25 ms a table); `top_up` follows soon


def give_blocks(
    both: Sessions, size: int = FIRST, without: Collection[str] = ()
) -> dict[str, tuple[int, int]]:
    """A fresh block for each entity whose integers legacy draws, but for those in `without`.

    Before a flip closes legacy (where its generator can be moved then), or before the service opens.
    """
    legacy, extracted, name = both.on(Side.LEGACY), both.on(Side.EXTRACTED), both.pair.spec.name
    return {
        entity.name: block
        for entity in both.pair.spec.entities
        if entity.name not in without and (block := _give(legacy, extracted, name, entity, size))
    }


def top_up(both: Sessions, size: int = BLOCK) -> dict[str, tuple[int, int]]:
    """New blocks for entities that have used up half of theirs; while the service is the authority."""
    name, extracted = both.pair.spec.name, both.on(Side.EXTRACTED)
    given = {}
    for entity in both.pair.spec.entities:
        if _may_draw(entity) and extracted.ids_left(name, entity.name) < size // 2:
            block = _give(both.on(Side.LEGACY), extracted, name, entity, size)
            if block:
                given[entity.name] = block
    return given


def _give(
    legacy: Session, extracted: Session, slice_name: str, entity: Entity, size: int
) -> tuple[int, int] | None:
    """None when nothing draws integers for this table: its keys come from elsewhere."""
    if not _may_draw(entity):
        return None
    try:
        first, last = legacy.reserve(slice_name, entity.name, size)
    except (PlanMismatch, Refused):
        return None
    extracted.give_ids(slice_name, entity.name, first, last)
    return first, last


def _may_draw(entity: Entity) -> bool:
    return len(entity.root(Side.LEGACY).key) == 1
