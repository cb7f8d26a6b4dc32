"""Backfill: rounds whose key set is a chunk of the authority's keys beside what is pending."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

from sync.core import keys as spelled
from sync.core.records import Progress
from sync.core.values import Entity, Key
from sync.errors import Busy, Overtaken
from sync.rounds import Lane, RoundResult, Work, run_round

FIRST_CHUNK = 1000
LARGEST_CHUNK = 10_000
SMALLEST_CHUNK = 25
GOAL = 0.5  # seconds a chunk should take: long enough to be quick, short enough to be stopped
_LOST = 1000  # rounds in a row to somebody else
_TRIES = 100  # at a round that somebody else is in the way of

Tell = Callable[[str, int, int], None]  # entity, done, about how many in all
Wait = Callable[[float], bool]  # sleeps; True: stop here


@dataclass(frozen=True, slots=True)
class Backfilled:
    """What was done; `finished` is False when it was told to stop: the next call goes on there."""

    rows: int
    finished: bool
    held: int


def backfill(lane: Lane, tell: Tell, wait: Wait, *, anew: bool = False) -> Backfilled:
    """Bring every row of the authority to the follower, entity by entity, from where the last call ended.

    Raises Overtaken when the direction changes meanwhile, SliceStopped, DatabaseAway. What only the follower
    has is never removed here: `verify` names it, and a person decides.
    """
    rows = held = 0
    lane_row = lane.authority.authority(lane.spec.name)
    for entity in lane.spec.entities:
        kept = _kept(lane, entity, anew)
        if kept.finished:
            continue
        total = lane.authority.count(entity.root(lane.source).name)
        size, lost = FIRST_CHUNK, 0
        while not kept.finished:
            if wait(0):
                return Backfilled(rows, False, held)
            started = time.monotonic()
            try:
                result, kept = _chunk(lane, entity, kept, size, wait)
            except Overtaken:
                # A round of the relay came first: it has a lock there only while it writes (SQLite), and so
                # have we. A smaller chunk fits between two of its rounds.
                size, lost = max(SMALLEST_CHUNK, size // 2), lost + 1
                if lost > _LOST or lane.authority.authority(lane.spec.name) != lane_row:
                    raise
                continue
            lost = 0
            rows, held = rows + result.put, held + len(result.held)
            size = _next_size(size, time.monotonic() - started)
            tell(entity.name, kept.done, max(total, kept.done))
    return Backfilled(rows, True, held)


def _kept(lane: Lane, entity: Entity, anew: bool) -> Progress:
    """Where this entity stands. Another epoch does not matter: what was applied since went through rounds."""
    if not anew:
        for each in lane.follower.progress(lane.spec.name):
            if each.walk == "backfill" and each.entity == entity.name:
                return each
    return Progress("backfill", entity.name, lane.epoch, at=time.time())


def _chunk(lane: Lane, entity: Entity, kept: Progress, size: int, wait: Wait) -> tuple[RoundResult, Progress]:
    after: Key | None = spelled.parse(kept.after) if kept.after else None
    with lane.authority.snapshot(lane.spec.name) as view:
        keys = view.keys_after(entity.name, after, size)
    kept = dataclasses.replace(
        kept,
        after=spelled.text(keys[-1]) if keys else kept.after,
        done=kept.done + len(keys),
        finished=len(keys) < size,
        at=time.time(),
    )
    # Where the chunk ends is kept in the transaction that applies it: a kill loses neither, or both.
    work = Work(keys=[(entity.name, key) for key in keys], progress=(kept,))
    return _round(lane, work, wait), kept


def _round(lane: Lane, work: Work, wait: Wait) -> RoundResult:
    for _ in range(_TRIES):
        try:
            return run_round(lane, work)
        except Busy as error:
            refusal = error
            if wait(0.05):
                break
    raise refusal


def _next_size(size: int, took: float) -> int:
    """Twice as much when there is room, half when it was too long."""
    if took > GOAL:
        return max(100, size // 2)
    return min(LARGEST_CHUNK, size * 2) if took < GOAL / 3 else size
