"""F3: the keys that rounds have changed since a pass of verify has seen them all.

The rounds themselves are the witness: the follower's log says which keys they changed. Most are compared
before anybody has to wait; what rounds change between that and the close is compared in the pause.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from itertools import islice

from sync.core.recent import THROUGH
from sync.core.records import Mismatch, Progress
from sync.core.rounds import Named
from sync.core.values import Key, Side
from sync.lag import FEW
from sync.rounds import Lane
from sync.verify import CHUNK, compare

LINES = (500, 2_000, 10_000)  # of the log: more are asked for when few do not do; it keeps the last number
MOST = 100_000  # keys, which take some seconds to compare; a pass of verify is due then
_LOOKS = 5
_FEW = 100  # keys: what is left for the pause
# At a key that is on its way. At rows that nobody leaves alone forty looks took six seconds (measured), in
# which a thousand others changed, and F3 gave the flip up: their next round names them anyway.
_GLANCES = 2


def noted(lane: Lane) -> int:
    """The round through which every key was compared; 0: none."""
    kept = {
        each.entity: each.done
        for each in lane.follower.progress(lane.spec.name)
        if each.walk == THROUGH and each.finished
    }
    return min((kept.get(each.name, 0) for each in lane.spec.entities), default=0)


def note(lane: Lane, entity: str, number: int) -> None:
    """Every key of `entity` was compared as round `number` left it, or later."""
    line = Progress(THROUGH, entity, lane.epoch, done=number, finished=True, at=time.time())
    lane.follower.keep_progress(lane.spec.name, [line])


def since(lane: Lane, number: int) -> dict[str, dict[Key, Key | None]] | None:
    """The authority's keys with the follower's, by entity, that rounds after `number` changed. Cheap.

    None: not known, because the log does not reach back so far.
    """
    name = lane.spec.name
    if lane.follower.seen(name).round <= number:
        return {}
    for lines in LINES:
        log = lane.follower.changed_since(name, number, lines)
        if log is not None:
            return {entity.name: _named(lane, entity.name, log) for entity in lane.spec.entities}
    return None


def _named(lane: Lane, entity: str, log: set[Named]) -> dict[Key, Key | None]:
    """The log speaks of the service's keys. What a later key has replaced has a line of its own."""
    keys = [key for name, key in log if name == entity]
    ask = lane.follower.applied if lane.source is Side.LEGACY else lane.follower.applied_of
    return {each.peer_key: each.key for each in ask(lane.spec.name, entity, keys).values()}


def _since(lane: Lane) -> dict[str, dict[Key, Key | None]] | None:
    """The same where there is time: a pass that ended long ago is looked up in what was applied."""
    number = noted(lane)
    keys = since(lane, number)
    if keys is None and number:
        applied = lane.follower.applied_since(lane.spec.name, number, MOST)
        if applied is not None:
            keys = {entity.name: {} for entity in lane.spec.entities}
            for each in applied:
                keys[each.entity][each.peer_key] = each.key
    return keys


def bring_up(lane: Lane) -> tuple[list[Mismatch], int]:
    """Compare what changed since the last pass until little is left: what differs, and how many there were.

    A key that changes while it is looked at is left to its next round, whose line comes later in the log.
    """
    count = 0
    found: list[Mismatch] = []
    for _ in range(_LOOKS):
        number = lane.follower.seen(lane.spec.name).round
        keys = _since(lane)
        if keys is None:
            break
        for entity in lane.spec.entities:
            todo = iter(keys.get(entity.name, {}).items())
            while some := dict(islice(todo, CHUNK)):
                part = compare(lane, entity, some, looks=_GLANCES)
                found += part.found
                count += len(some)
        if found:
            lane.follower.keep_mismatches(lane.spec.name, found)
            break
        for entity in lane.spec.entities:
            note(lane, entity.name, number)
        if sum(map(len, keys.values())) <= _FEW:
            break
    return found, count


def due(lane: Lane, pending: Collection[Named], *, bounded: bool) -> dict[str, dict[Key, Key | None]] | None:
    """For the pause: what was pending at the close, and what changed since every key was compared.

    None when that is too much for a pause. Whoever ends a half-done flip compares as much as there is
    (`bounded` False), and so does the way back, which waits for no evidence; where no pass has ever ended
    there is none to go on from.
    """
    number = noted(lane)
    keys = since(lane, number)
    if bounded:
        many = sum(map(len, keys.values())) if keys is not None else FEW + 1
        if many > FEW and (keys is not None or (number and lane.source is Side.LEGACY)):
            return None
    keys = keys or {}
    for entity, key in pending:
        keys.setdefault(entity, {}).setdefault(key, None)
    return keys


def unfilled(lane: Lane) -> str:
    """An entity that is not backfilled; "" when all are."""
    walks = {each.entity: each for each in lane.follower.progress(lane.spec.name) if each.walk == "backfill"}
    bare = (
        each.name for each in lane.spec.entities if each.name not in walks or not walks[each.name].finished
    )
    return next(bare, "")
