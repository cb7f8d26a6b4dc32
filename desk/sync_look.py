"""Where the data of each slice stands: databases, ledger and the relay's own word, put together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from desk.slice_stage import leaders, read_all
from desk.slices import opened
from migration.core.plan import Plan
from migration.core.slice_state import SliceState
from sync.core.values import Side
from sync.errors import SyncError
from sync.process import read_health
from sync.relay import Sessions
from sync.status import SliceStatus, status


@dataclass(frozen=True, slots=True)
class SyncLook:
    """One slice. `leader`: the process that relays it, on whatever machine.

    `stamps` says whether a side's tables and triggers are as capture left them.
    """

    status: SliceStatus
    writes: SliceState
    relay: Mapping[str, object] = field(default_factory=dict)
    stamps: Mapping[Side, bool | None] = field(default_factory=dict)
    limits: tuple[int, float] = (0, 0.0)
    leader: str | None = None

    @property
    def fuse(self) -> str:
        """What is wrong with how much waits, or how long; "" when nothing is."""
        most, oldest = self.limits
        if self.status.pending > most:
            return f"{self.status.pending:,} changes wait, more than outbox_max = {most:,}"
        if (self.status.oldest or 0.0) > oldest:
            return f"a change waits for {self.status.oldest:,.0f} s, longer than outbox_age = {oldest:,.0f} s"
        return ""


def look(plan: Plan, names: Iterable[str]) -> list[SyncLook]:
    """Every named slice, read now. Errors of the desk when a database is away."""
    names = list(names)
    rows, leading = read_all(plan), leaders(plan, names)
    return [_one(plan, name, rows.get(name) or SliceState(name), leading[name]) for name in names]


def _one(plan: Plan, name: str, writes: SliceState, leader: str | None) -> SyncLook:
    part = plan.slices[name]
    with opened(plan, name) as both:
        found = status(both)
        stamps = {side: _stamp(both, side) for side in Side} if found.captured else {}
    health = dict(read_health(Path(plan.state_dir), name))
    if isinstance(health.get("sentence"), str):
        health["sentence"] = str(health["sentence"]).replace("SLICE", name)
    return SyncLook(found, writes, health, stamps, (part.outbox_max, part.outbox_age), leader)


def _stamp(both: Sessions, side: Side) -> bool | None:
    with contextlib.suppress(SyncError), both.on(side).snapshot(both.pair.spec.name) as view:
        return view.stamp.whole
    return None


def next_command(seen: SyncLook) -> str:
    """What to type next about this slice."""
    now, name = seen.status, seen.status.slice
    if not now.captured:
        return f"strangler capture install {name}"
    if now.authority is None or now.situation != "steady":
        return f"strangler flip {name} --resume"
    if any(whole is False for whole in seen.stamps.values()):
        return f"strangler capture audit {name}"
    if now.held:
        return f"strangler redrive {name}"
    if now.mismatches:
        return f"strangler repair {name} --all"
    if any(one.backfill is None or not one.backfill.finished for one in now.entities) and _first(now):
        return f"strangler backfill {name}"
    if any(one.verify is None or not one.verify.passes for one in now.entities):
        return f"strangler verify {name}"
    side = now.authority.other
    return f"strangler flip {name} --to {side} --dry-run"


def _first(now: SliceStatus) -> bool:
    """Whether the service never was the authority: later epochs need no backfill."""
    return now.epoch <= 1


def as_json(seen: SyncLook, held: Any, mismatch: Any) -> dict[str, Any]:
    """One slice as JSON; `held` and `mismatch` turn one of theirs into values."""
    now = seen.status
    return {
        "slice": now.slice,
        "captured": now.captured,
        "writes": seen.writes.write_stage.value,
        "phase": seen.writes.phase.value,
        "authority": now.authority,
        "epoch": now.epoch,
        "situation": now.situation,
        "sides": {side.value: _side(seen, side) for side in Side} if now.standing else {},
        "pending": now.pending,
        "lag_seconds": now.oldest,
        "round": now.seen.round,
        "holder": now.seen.holder,
        "relay": dict(seen.relay),
        "leader": seen.leader,
        "fuse": seen.fuse,
        "entities": [_entity(one, held, mismatch) for one in now.entities],
        "writers": [
            {"name": one.name, "table": one.table, "rows": one.rows, "first": one.first, "last": one.last}
            for one in now.writers
        ],
        "sentence": now.sentence,
        "next": next_command(seen),
    }


def _side(seen: SyncLook, side: Side) -> dict[str, Any]:
    now = seen.status
    row = now.standing.on(side) if now.standing is not None else None
    return {
        "epoch": row.epoch if row else None,
        "phase": row.phase.value if row else None,
        "fence_open": now.fences.get(side),
        "refused": now.refused.get(side),
        "stamp_whole": seen.stamps.get(side),
    }


def _entity(one: Any, held: Any, mismatch: Any) -> dict[str, Any]:
    return {
        "entity": one.name,
        "rows": {side.value: count for side, count in one.rows.items()},
        "backfill": {"done": one.backfill.done, "finished": one.backfill.finished} if one.backfill else None,
        "verified": {"passes": one.verify.passes, "at": one.verify.at, "done": one.verify.done}
        if one.verify
        else None,
        "quarantine": [held(each) for each in one.held],
        "different": [mismatch(each) for each in one.mismatches],
        "ids_left": one.ids_left,
    }
