"""F0 tries what comes later, and takes it back: opening either side, and real rows on their way back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from sync.core import rounds as core
from sync.core.records import Rehearsed
from sync.core.rounds import Named
from sync.core.values import Change, Entity, Key, Side
from sync.errors import Busy, SyncError
from sync.relay import Sessions
from sync.rounds import Lane

ROWS = 100  # real rows of each entity: quick, and enough for what a whole table has in common
_AT_ONCE = 10  # rows: their owners wait for some milliseconds if they want one of them just now
_TRIES = 5  # at rows that differ only because a change of theirs is on its way
_PAUSE = 0.1  # seconds before another look

Found = Iterator[tuple[bool, str]]  # whether it blocks, and the sentence


def openings(both: Sessions) -> Found:
    """What would keep a side from opening: a flip opens its target, and an abort opens the source again."""
    name = both.pair.spec.name
    for side in Side:
        try:
            patiently(lambda side=side: both.on(side).try_opening(name))  # type: ignore[misc]
        except Busy as error:
            yield False, f"opening the {side} side could not be tried, for somebody was in the way: {error}"
        except SyncError as error:
            yield True, f"the {side} side could not be opened: {error}"


def patiently(do: Callable[[], object], sleep: Callable[[float], None] = time.sleep) -> None:
    """Once more when somebody else is in the way, who is not to be crowded; Busy in the end."""
    for left in reversed(range(_TRIES)):
        try:
            do()
            return
        except Busy:
            if not left:
                raise
            sleep(_PAUSE)


@dataclass(slots=True)
class Way:
    """What became of one entity's rows: `poison` has no counterpart, the others are as in Rehearsed."""

    rows: int = 0
    poison: Mapping[Named, str] = field(default_factory=dict)
    refused: dict[Named, str] = field(default_factory=dict)
    as_new: dict[Named, str] = field(default_factory=dict)


def backwards(lane: Lane) -> Found:
    """Real rows of the follower-to-be have to find their way back, or a rollback would quarantine them.

    The way back does not wait for the next way there: then it only warns.
    """
    blocks = lane.source is Side.LEGACY
    for entity in lane.spec.entities:
        try:
            way = _settled(lane, entity)
        except Busy as error:
            yield False, f"rows of {entity.name} could not be tried on their way back: {error}"
            continue
        for found, what, cure in (
            (way.poison, "cannot be mapped back", "mend the mapping"),
            (way.refused, f"{lane.source} would refuse", f"mend them, the mapping or {lane.source}'s table"),
            (
                way.as_new,
                f"{lane.source} would refuse if they were new there",
                f"map the column, give it a default, or be sure that nobody adds rows to {entity.name}",
            ),
        ):
            if found:
                named, why = next(iter(found.items()))
                first = f"first: {core.spelled(named)}: {why}"
                said = f"{len(found)} of {way.rows} rows that {what} ({first}): {cure}"
                yield blocks and found is not way.as_new, said


def _settled(lane: Lane, entity: Entity) -> Way:
    """A row that waits for a change of its own may clash with one that has had its own: look again."""
    keys = _keys(lane, entity)
    way = _try(lane, entity, keys)
    for _ in range(_TRIES):
        wrong = way.refused.keys() | way.as_new.keys()
        if not wrong:
            break
        time.sleep(_PAUSE)
        again = _try(lane, entity, [key for _, key in wrong])
        if again.refused.keys() | again.as_new.keys() == wrong and not _waiting(lane):
            return replace(again, rows=way.rows, poison=way.poison)
        way = replace(again, rows=way.rows, poison=way.poison)
    return way


def _waiting(lane: Lane) -> bool:
    acked = lane.follower.seen(lane.spec.name).acked_seq if lane.acks_on_follower else 0
    return lane.authority.has_pending(lane.spec.name, acked)


def _keys(lane: Lane, entity: Entity) -> list[Key]:
    with lane.follower.snapshot(lane.spec.name) as view:
        return list(view.keys_after(entity.name, None, ROWS))


def _try(lane: Lane, entity: Entity, keys: list[Key]) -> Way:
    with lane.follower.snapshot(lane.spec.name) as view:
        rows = dict(view.rows(entity.name, keys))
    mapped = core.map_rows(lane.spec, lane.source.other, {entity.name: rows})
    way = Way(len(rows), mapped.poison)
    changes = [Change(entity.name, key, theirs, back) for (_, theirs), (key, back) in mapped.rows.items()]
    for at in range(0, len(changes), _AT_ONCE):
        some = changes[at : at + _AT_ONCE]
        found = _rehearsed(lane, some)
        theirs = {(each.entity, each.key): (each.entity, each.peer_key) for each in some}
        way.refused |= {theirs[named]: why for named, why in found.refused.items()}
        way.as_new |= {theirs[named]: why for named, why in found.as_new.items()}
    return way


def _rehearsed(lane: Lane, changes: list[Change]) -> Rehearsed:
    found: list[Rehearsed] = []
    patiently(lambda: found.append(lane.authority.rehearse(lane.spec.name, changes)))
    return found[0]
