"""Brings the data of the sample's slices in step before its servers start: capture, then backfill, once."""

from __future__ import annotations

import time
from collections.abc import Callable

from desk.slice_stage import reach, read_all
from desk.slices import opened, synced
from migration.core.plan import Plan
from migration.core.slice_state import SliceState
from migration.core.stages import WriteStage, write_rank
from sync.backfill import backfill
from sync.trial import install_if_invertible


def bring_in_step(plan: Plan, say: Callable[[str], None]) -> None:
    """Install capture and fill the other side of every slice that lacks it; a DeskError says why not."""
    rows = read_all(plan)
    for name in synced(plan):
        state = rows.get(name) or SliceState(name)
        if write_rank(state.write_stage) >= write_rank(WriteStage.SYNC):
            continue
        with opened(plan, name) as both:
            install_if_invertible(both)
            reach(plan, name, WriteStage.CAPTURE, "capture installed for the demonstration")
            done = backfill(both.lane(), lambda _entity, _done, _all: None, _pause)
        reach(plan, name, WriteStage.SYNC, "backfilled for the demonstration")
        say(f"{name}: capture is installed, {done.rows:,} rows were brought to {plan.slices[name].service}")


def _pause(seconds: float) -> bool:
    time.sleep(seconds)
    return False
