"""Tells the ledger where a slice's writes stand, once the databases have it so."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from desk.cli import desk
from migration.bootstrap import open_ledger
from migration.core.plan import Plan
from migration.core.slice_state import SliceState
from migration.core.stages import WriteStage, write_rank
from migration.errors import LedgerConflict
from migration.ports import AuditEntry, Ledger

_TRIES = 10
# Capture and sync are steps of the same walk; a slice that has flipped moves by flips alone.
_WALKED = (WriteStage.LEGACY, WriteStage.CAPTURE, WriteStage.SYNC)


def read_all(plan: Plan) -> Mapping[str, SliceState]:
    """The ledger's rows of the slices."""
    ledger = open_ledger(plan.ledger.url, create=False)
    try:
        return ledger.slices()
    finally:
        ledger.close()


def leaders(plan: Plan, names: Iterable[str]) -> Mapping[str, str | None]:
    """Which process relays each slice now, on whatever machine; None: nobody does."""
    ledger = open_ledger(plan.ledger.url, create=False)
    try:
        return {name: ledger.lease_holder(f"sync:{name}", time.time()) for name in names}
    finally:
        ledger.close()


def reach(plan: Plan, name: str, stage: WriteStage, why: str) -> SliceState:
    """Walk the row up to `stage`, or down to it; a slice whose writes went further stays where it is."""
    ledger = open_ledger(plan.ledger.url, create=False)
    try:
        ledger.ensure_slices([name])
        for _ in range(_TRIES):
            state = ledger.slices()[name]
            target = _toward(state.write_stage, stage)
            if target is None:
                return state
            _change(ledger, state, target, why)
        return ledger.slices()[name]
    finally:
        ledger.close()


def _toward(now: WriteStage, stage: WriteStage) -> WriteStage | None:
    if now is stage or now not in (*_WALKED, WriteStage.REHEARSE):
        return None
    if write_rank(now) > write_rank(stage):
        return stage if stage is WriteStage.LEGACY else None
    return _WALKED[_WALKED.index(now) + 1]


def _change(ledger: Ledger, state: SliceState, stage: WriteStage, why: str) -> None:
    entry = AuditEntry(desk.actor(), f"writes {stage.value}", why, time.time())
    try:
        ledger.change_slice(
            state.slice,
            state.version,
            write_stage=stage,
            authority=state.authority,
            epoch=state.epoch,
            phase=state.phase,
            hold_until=state.hold_until,
            audit=entry,
        )
    except LedgerConflict:
        return  # somebody else was quicker: the caller reads again
