"""Rolling a route back: the ledger first, then the flag; it works while the flag source is down."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from migration.core.effective import RouteState
from migration.core.gate import Target, is_raise
from migration.core.plan import Route
from migration.core.stages import ReadStage
from migration.errors import FlagError, LedgerConflict, LedgerError, Refused
from migration.ports import AuditEntry, FlagWriter, Ledger

# The conductor may write the same row at the same time; each of its writes costs one more try.
TRIES = 20


@dataclass(frozen=True, slots=True)
class RollbackDone:
    """The row after the rollback; `flag_error` says why the flag still asks for more, if it does."""

    state: RouteState
    flag_error: str | None
    sentence: str


async def rollback(
    ledger: Ledger,
    writer: FlagWriter,
    route: Route,
    *,
    to_pct: int = 0,
    actor: str,
    reason: str,
    now: float,
) -> RollbackDone:
    """Lower what is served to `to_pct` % and hold it there; Refused when that is no step back.

    Every facade follows the ledger within a second. The hold is released by a person's shift or advance only.
    """
    entry = AuditEntry(actor, "rollback", reason, now)
    try:
        state = await asyncio.to_thread(_lower, ledger, route, to_pct, entry)
    except LedgerError as error:
        raise await _without_ledger(writer, route, to_pct, error) from None
    # What was served may be less than what the cap let through: a rollback never raises a flag.
    flag_error = await _lower_flag(writer, route, state.applied_pct)
    sentence = f"{route.id} is back at {_where(state)} and held there"
    if flag_error is not None:
        sentence += (
            f"; the flag still asks for more ({flag_error}), but the hold keeps it from raising the route"
        )
    return RollbackDone(state, flag_error, sentence)


async def _without_ledger(writer: FlagWriter, route: Route, to_pct: int, error: LedgerError) -> LedgerError:
    """The flag acts at once too, though nothing holds it: better than nothing while the ledger is away."""
    flag_error = await _lower_flag(writer, route, to_pct)
    if flag_error is not None:
        return LedgerError(f"{error}; the flag could not be lowered either: {flag_error}")
    return LedgerError(f"{error}; the flag was lowered to {to_pct} %, but no hold keeps it there: try again")


def _lower(ledger: Ledger, route: Route, to_pct: int, entry: AuditEntry) -> RouteState:
    for attempt in range(TRIES):
        state = ledger.routes().get(route.id)
        if state is None:
            raise Refused(f"the ledger knows no route {route.id}; it was never moved, nothing to roll back")
        try:
            return _write(ledger, state, _target(state, to_pct), entry)
        except LedgerConflict:
            if attempt == TRIES - 1:
                raise
    raise AssertionError("unreachable")


def _target(state: RouteState, to_pct: int) -> Target:
    if not 0 <= to_pct <= 100:
        raise Refused(f"{to_pct} % is no share; give 0 to 100")
    if to_pct > 0:
        target = Target(ReadStage.CANARY, to_pct)
    else:
        target = Target(ReadStage.SHADOW if state.mirror_pct else ReadStage.LEGACY)
    if is_raise(state, target):
        raise Refused(f"{to_pct} % is more than the {state.cap_pct} % now served: use strangler shift")
    return target


def _write(ledger: Ledger, state: RouteState, target: Target, entry: AuditEntry) -> RouteState:
    return ledger.change(
        state.route,
        state.version,
        stage=target.stage,
        cap_pct=target.pct,
        applied_pct=min(state.applied_pct, target.pct),
        mirror_pct=0 if target.stage is ReadStage.LEGACY else state.mirror_pct,
        hold=True,
        hold_reason=f"rolled back by {entry.actor}: {entry.why}",
        audit=entry,
    )


async def _lower_flag(writer: FlagWriter, route: Route, to_pct: int) -> str | None:
    try:
        await writer.set_rollout(route.flag, to_pct)
    except FlagError as error:
        return str(error)
    return None


def _where(state: RouteState) -> str:
    return f"{state.cap_pct} %" if state.cap_pct else state.stage.value
