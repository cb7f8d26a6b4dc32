"""Moving a route by hand: the gate is asked, then the flag is written, then the ledger.

The flag goes first: while it asks for more than the ledger lets through, nothing moves. If it cannot be
written nothing has changed, and if the ledger cannot, the conductor finishes what the gate allows.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from migration.core.effective import RouteState
from migration.core.gate import GateResult, RouteEvidence, Target, judge
from migration.core.ladder import next_step, soak_left
from migration.core.plan import Route, Slice
from migration.core.stages import ReadStage
from migration.errors import FlagError, LedgerConflict, MigrationError, Refused
from migration.ports import AuditEntry, FlagWriter, Ledger

TRIES = 20


class GateRefused(Refused):
    """The gate said fail or wait; `result` is its answer, and nothing was changed."""

    def __init__(self, result: GateResult, sentence: str) -> None:
        """Keep the gate's answer beside the sentence."""
        super().__init__(sentence)
        self.result = result


class _RolledBack(Refused):
    """Somebody rolled the route back after this move was judged; `state` is the row they left."""

    def __init__(self, state: RouteState) -> None:
        super().__init__(f"{state.route} was {state.hold_reason or 'held'} meanwhile; look, then ask again")
        self.state = state


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks, why, and the reason for passing a gate that says no (empty: the gate binds)."""

    actor: str
    reason: str = ""
    override: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """The row before and after, the gate's answer, and what moved in one sentence."""

    before: RouteState
    after: RouteState
    gate: GateResult
    sentence: str


async def shift(
    ledger: Ledger,
    writer: FlagWriter,
    route: Route,
    part: Slice,
    *,
    to_pct: int,
    evidence: RouteEvidence,
    person: Person,
    now: float,
) -> Moved:
    """Let extracted answer `to_pct` % of keys; GateRefused when the gate says no. Releases a hold."""
    if isinstance(to_pct, bool) or not 0 <= to_pct <= 100:
        raise Refused(f"{to_pct} % is no share; give a whole number from 0 to 100")
    state = await _state(ledger, route)
    return await move(ledger, writer, route, part, _share_target(state, to_pct), evidence, person, now)


async def advance(
    ledger: Ledger,
    writer: FlagWriter,
    route: Route,
    part: Slice,
    *,
    evidence: RouteEvidence,
    person: Person,
    now: float,
    confirmed: bool = False,
) -> Moved:
    """Take the next step of the declared ladder, once the present one has soaked. Releases a hold."""
    state = await _state(ledger, route)
    target = next_step(route, state, confirmed=confirmed)
    if target is None:
        raise Refused(f"{route.id} is {state.stage.value}: there is no next step")
    left = soak_left(route, state, now)
    soak = (
        GateResult("wait", f"wait: {left:.0f} s of the {route.soak:.0f} s soak are left")
        if left > 0
        else None
    )
    # The step into shadow mirrors everybody; `shadow start --sample` mirrors fewer.
    mirror = 100 if target.stage is ReadStage.SHADOW else None
    return await move(ledger, writer, route, part, target, evidence, person, now, mirror=mirror, soak=soak)


async def start_shadow(
    ledger: Ledger,
    writer: FlagWriter,
    route: Route,
    part: Slice,
    *,
    sample: int,
    evidence: RouteEvidence,
    person: Person,
    now: float,
) -> Moved:
    """Mirror `sample` % of keys; a route at legacy becomes shadow, a hold stays. GateRefused: it may not."""
    if not 1 <= sample <= 100:
        raise Refused(f"{sample} % is no share to mirror; give 1 to 100")
    state = await _state(ledger, route)
    target = (
        Target(ReadStage.SHADOW) if state.stage is ReadStage.LEGACY else Target(state.stage, state.cap_pct)
    )
    return await move(
        ledger, writer, route, part, target, evidence, person, now, mirror=sample, release=False
    )


async def stop_shadow(
    ledger: Ledger, writer: FlagWriter, route: Route, part: Slice, *, person: Person, now: float
) -> Moved:
    """Stop mirroring; a route at shadow becomes legacy, a hold stays."""
    state = await _state(ledger, route)
    target = (
        Target(ReadStage.LEGACY) if state.stage is ReadStage.SHADOW else Target(state.stage, state.cap_pct)
    )
    nothing = RouteEvidence("NONE", "", "")
    return await move(ledger, writer, route, part, target, nothing, person, now, mirror=0, release=False)


async def move(
    ledger: Ledger,
    writer: FlagWriter,
    route: Route,
    part: Slice,
    target: Target,
    evidence: RouteEvidence,
    person: Person,
    now: float,
    mirror: int | None = None,
    soak: GateResult | None = None,
    release: bool = True,
) -> Moved:
    """Bring `route` to `target` (and its mirrored share to `mirror`): gate, flag, ledger.

    `soak` is what the present step still waits for, where that binds; `release` lets go of a hold.
    """
    before = await _state(ledger, route)
    writes = (await asyncio.to_thread(ledger.slices)).get(part.name)
    gate = judge(route, part, before, target, evidence, now, writes)
    gate = soak if soak is not None and gate.outcome == "pass" else gate
    if gate.outcome != "pass" and (gate.final or not person.override):
        raise GateRefused(gate, f"{route.id} stays at {_where(before)}: {gate.sentence}")
    if mirror is None:
        await writer.set_rollout(route.flag, target.pct)
    else:
        await writer.set_rollout(route.shadow_flag, mirror)
    entry = _entry(person, target, gate, evidence, now)
    try:
        after = await asyncio.to_thread(_write, ledger, before, target, mirror, entry, release)
    except _RolledBack as refused:
        await _give_back(writer, route, refused.state, mirror)
        raise
    return Moved(before, after, gate, describe(before, after))


def describe(before: RouteState, after: RouteState) -> str:
    """What a move moves, in one sentence."""
    if after.cap_pct > before.cap_pct:
        more = after.cap_pct - before.cap_pct
        return f"{after.route}: moves {more} % of keys to extracted, no user moves back to legacy"
    if after.cap_pct < before.cap_pct:
        return f"{after.route}: moves {before.cap_pct - after.cap_pct} % of keys back to legacy"
    if after.mirror_pct != before.mirror_pct:
        return f"{after.route}: {after.mirror_pct} % of keys mirrored, legacy's answers unchanged"
    return f"{after.route}: {_where(after)}, no user moves"


def _share_target(state: RouteState, to_pct: int) -> Target:
    if to_pct == 0:
        return Target(ReadStage.SHADOW if state.mirror_pct else ReadStage.LEGACY)
    if to_pct == 100 and state.stage in (ReadStage.LIVE, ReadStage.RETIRED):
        return Target(ReadStage.LIVE, 100)
    return Target(ReadStage.CANARY, to_pct)


def _entry(
    person: Person, target: Target, gate: GateResult, evidence: RouteEvidence, now: float
) -> AuditEntry:
    why = "; ".join(part for part in (person.reason, f"gate {gate.outcome}: {gate.sentence}") if part)
    override = person.override if gate.outcome != "pass" else ""
    return AuditEntry(
        person.actor, f"to {target.stage.value} {target.pct} %", why, now, evidence.hash, override
    )


async def _state(ledger: Ledger, route: Route) -> RouteState:
    await asyncio.to_thread(ledger.ensure, [route.id])
    return (await asyncio.to_thread(ledger.routes))[route.id]


async def _give_back(writer: FlagWriter, route: Route, state: RouteState, mirror: int | None) -> None:
    """Let the flag ask for what a rollback left; where that fails its hold is enough."""
    with contextlib.suppress(FlagError):
        if mirror is None:
            await writer.set_rollout(route.flag, state.applied_pct)
        else:
            await writer.set_rollout(route.shadow_flag, state.mirror_pct)


def _write(
    ledger: Ledger, before: RouteState, target: Target, mirror: int | None, entry: AuditEntry, release: bool
) -> RouteState:
    """A person's word: what the conductor wrote meanwhile is overwritten, a rollback never.

    Comparing again is no word about moving users, so it leaves a hold and what is served: otherwise a flag
    that still asks for a share would raise a route that somebody has just rolled back.
    """
    for attempt in range(TRIES):
        state = ledger.routes()[before.route]
        if _rolled_back(before, state):
            raise _RolledBack(state)
        mirrored = state.mirror_pct if mirror is None else mirror
        try:
            return ledger.change(
                state.route,
                state.version,
                stage=target.stage,
                cap_pct=target.pct,
                applied_pct=target.pct if mirror is None else min(state.applied_pct, target.pct),
                mirror_pct=0 if target.stage is ReadStage.LEGACY else mirrored,
                hold=state.hold and not release,
                hold_reason="" if release else state.hold_reason,
                audit=entry,
            )
        except LedgerConflict:
            if attempt == TRIES - 1:
                raise
    raise MigrationError("unreachable")


def _rolled_back(before: RouteState, state: RouteState) -> bool:
    """Whether a hold was set since `before`, or set anew with less left."""
    again = (state.hold_reason, state.cap_pct) != (before.hold_reason, before.cap_pct)
    return state.hold and (not before.hold or again)


def _where(state: RouteState) -> str:
    return f"{state.cap_pct} %" if state.cap_pct else state.stage.value
