"""Where a slice's data stands, read from both databases: nothing here is remembered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sync.core.authority import Standing, broken, place
from sync.core.records import Mismatch, Progress, Seen, Writer
from sync.core.values import Held, Side
from sync.errors import NotCaptured
from sync.relay import Sessions


@dataclass(frozen=True, slots=True)
class EntityStatus:
    """One entity: rows on either side (about), walks, what is held, what is proven wrong."""

    name: str
    rows: Mapping[Side, int]
    backfill: Progress | None
    verify: Progress | None
    held: tuple[Held, ...] = ()
    mismatches: tuple[Mismatch, ...] = ()
    ids_left: int = 0


@dataclass(frozen=True, slots=True)
class SliceStatus:
    """One slice; `sentence` says what is wrong when the authority rows do not belong together."""

    slice: str
    captured: bool
    standing: Standing | None = None
    authority: Side | None = None
    epoch: int = 0
    situation: str = ""
    pending: int = 0
    oldest: float | None = None  # seconds that the oldest pending change waits
    seen: Seen = field(default_factory=Seen)
    entities: tuple[EntityStatus, ...] = ()
    writers: tuple[Writer, ...] = ()
    refused: Mapping[Side, int | None] = field(default_factory=dict)
    fences: Mapping[Side, bool] = field(default_factory=dict)
    sentence: str = ""

    @property
    def held(self) -> int:
        """How many keys are in quarantine."""
        return sum(len(each.held) for each in self.entities)

    @property
    def mismatches(self) -> int:
        """How many differences are proven and not repaired."""
        return sum(len(each.mismatches) for each in self.entities)


def status(both: Sessions) -> SliceStatus:
    """Everything about the slice; DatabaseAway when a side does not answer."""
    name = both.pair.spec.name
    try:
        standing = both.standing()
    except NotCaptured as error:
        return SliceStatus(name, False, sentence=str(error))
    here = place(standing)
    if here is None:
        return SliceStatus(name, True, standing, sentence=broken(standing))
    authority, follower = both.on(here.authority), both.on(here.follower)
    seen = follower.seen(name)
    after = seen.acked_seq if both.pair.on(here.authority).engine == "sqlite" else 0
    pending, oldest = authority.pending(name, after)
    return SliceStatus(
        name,
        True,
        standing,
        here.authority,
        here.epoch,
        here.situation.value,
        pending,
        oldest,
        seen,
        _entities(both, here.follower),
        tuple(authority.writers(name)),
        {side: both.on(side).refused(name) for side in Side},
        {side: both.on(side).fence_open(name) for side in Side},
    )


def _entities(both: Sessions, follower: Side) -> tuple[EntityStatus, ...]:
    spec, session = both.pair.spec, both.on(follower)
    walks = {(each.walk, each.entity): each for each in session.progress(spec.name)}
    held, wrong = session.held(spec.name), session.mismatches(spec.name)
    return tuple(
        EntityStatus(
            entity.name,
            {side: both.on(side).count(entity.root(side).name) for side in Side},
            walks.get(("backfill", entity.name)),
            walks.get(("verify", entity.name)),
            tuple(each for each in held if each.entity == entity.name),
            tuple(each for each in wrong if each.entity == entity.name),
            both.on(Side.EXTRACTED).ids_left(spec.name, entity.name),
        )
        for entity in spec.entities
    )
