"""One look at everything: ledger, flags and evidence of a plan, put together route by route."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from desk.conductor import LEASE
from desk.core.advice import RouteView
from desk.evidence import Evidence
from migration.bootstrap import open_flag_source, open_ledger
from migration.core.conduct import held
from migration.core.effective import RouteState, mirror_share
from migration.core.flags import FlagState
from migration.core.gate import GateResult, judge
from migration.core.ladder import next_step, soak_left
from migration.core.plan import Plan, Route
from migration.core.slice_state import SliceState
from migration.core.stages import ReadStage
from migration.errors import FlagError, LedgerError
from migration.ports import Ledger


@dataclass(frozen=True, slots=True)
class Look:
    """The routes asked for, what could not be read (sentences), and whether a conductor leads."""

    views: tuple[RouteView, ...]
    troubles: tuple[str, ...]
    conducted: bool


def look(plan: Plan, routes: Iterable[Route], now: float) -> Look:
    """Read everything once. LedgerError when the ledger is away: without it nothing is known."""
    flags, trouble = asyncio.run(read_flags(plan, now))
    ledger = open_ledger(plan.ledger.url, create=False)
    try:
        states, slices = ledger.routes(), ledger.slices()
        conducted, unwritten = _is_conducted(ledger, now)
    finally:
        ledger.close()
    with Evidence(plan.evidence.url) as evidence:
        views = tuple(
            _view(plan, one, states.get(one.id), flags, evidence, now, slices.get(one.slice_name))
            for one in routes
        )
        troubles = tuple(filter(None, (trouble, unwritten, evidence.trouble)))
    return Look(views, troubles, conducted)


def _is_conducted(ledger: Ledger, now: float) -> tuple[bool, str | None]:
    try:
        return is_conducted(ledger, now), None
    except LedgerError as error:
        return False, f"The ledger can be read but not written: {error}"


async def read_flags(plan: Plan, now: float) -> tuple[FlagState | None, str | None]:
    """The flags now, or why not."""
    source = open_flag_source(plan.flags, lambda: now)
    try:
        return await source.fetch(), None
    except FlagError as error:
        return None, f"The flags cannot be read, what was applied last is served: {error}"
    finally:
        await source.close()


def is_conducted(ledger: Ledger, now: float) -> bool:
    """Whether a conductor holds the lease."""
    # A lease that ends at once: taken only where nobody has it, and gone before anybody could miss it.
    free = ledger.lease(LEASE, "desk", 0.0, now)
    if free:
        ledger.release_lease(LEASE, "desk")
    return not free


def _view(
    plan: Plan,
    route: Route,
    found: RouteState | None,
    flags: FlagState | None,
    evidence: Evidence,
    now: float,
    writes: SliceState | None,
) -> RouteView:
    state = found or RouteState(route.id)
    intent = flags.intent(route) if flags is not None else None
    told = evidence.summary(plan, route.id, now)
    part = plan.slices[route.slice_name]
    # From live on only a person's confirmed command leads further: no step to advise.
    target = None if state.stage is ReadStage.LIVE else next_step(route, state)
    gate: GateResult | None = None
    if target is not None:
        gate = judge(route, part, state, target, told.evidence, now, writes)
    return RouteView(
        route=route,
        state=state,
        intent=intent,
        evidence=told.evidence,
        gate=gate,
        step=""
        if target is None
        else f"{target.stage.value} {target.pct} %"
        if target.pct
        else target.stage.value,
        held=held(route, part, state, intent, told.evidence, now, writes),
        numbers=told.numbers,
        short=told.short,
        top_finding=told.top_finding,
        mirrored=mirror_share(route, state, intent),
        soak_left=soak_left(route, state, now),
        writes=writes,
    )
