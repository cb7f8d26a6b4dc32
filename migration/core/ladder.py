"""The declared ladder of a route: which step comes next, and how long the present one has to soak."""

from __future__ import annotations

from migration.core.effective import RouteState
from migration.core.gate import Target
from migration.core.plan import Route
from migration.core.stages import ReadStage


def next_step(route: Route, state: RouteState, *, confirmed: bool = False) -> Target | None:
    """The step after `state`, or None at the end: legacy, shadow, the canary shares, live, retired."""
    if state.stage is ReadStage.LEGACY:
        return Target(ReadStage.SHADOW)
    if state.stage is ReadStage.LIVE:
        return Target(ReadStage.RETIRED, 100, confirmed)
    if state.stage is ReadStage.RETIRED:
        return None
    above = [pct for pct in route.canary if pct > state.cap_pct]
    if above:
        return Target(ReadStage.CANARY, above[0])
    return Target(ReadStage.LIVE if state.cap_pct == 100 else ReadStage.CANARY, 100)


def soak_left(route: Route, state: RouteState, now: float) -> float:
    """Seconds until the present canary step has soaked; 0 on the other stages."""
    if state.stage is not ReadStage.CANARY:
        return 0.0
    return max(0.0, state.since + route.soak - now)
