"""The gate: may this route take this step now? One outcome and one sentence.

Asked when something is raised; stepping back always passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from migration.core.effective import RouteState
from migration.core.plan import Route, Slice
from migration.core.plan_slices import MIRRORED_METHODS
from migration.core.slice_state import SliceState
from migration.core.stages import ReadStage, allowed, rank, refusal

Outcome = Literal["pass", "fail", "wait"]
Verdict = Literal["READY", "NOT_READY", "INCONCLUSIVE", "NONE"]


@dataclass(frozen=True, slots=True)
class RouteEvidence:
    """What shadow says about a route; `hash` names the counts it said it from, for the audit."""

    verdict: Verdict
    sentence: str
    hash: str


NO_EVIDENCE = RouteEvidence("NONE", "nothing was compared yet", "")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a route shall go; `confirmed` is the typed confirmation that a severe step needs."""

    stage: ReadStage
    pct: int = 0
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class GateResult:
    """`pass`, `fail` or `wait`, with its reason in one sentence; `final` is a no that no override turns."""

    outcome: Outcome
    sentence: str
    final: bool = False


def is_raise(state: RouteState, target: Target) -> bool:
    """Whether `target` lets extracted answer more, or be called at all where it was not."""
    return (rank(target.stage), target.pct) > (rank(state.stage), state.cap_pct)


def judge(
    route: Route,
    part: Slice,
    state: RouteState,
    target: Target,
    evidence: RouteEvidence,
    now: float,
    writes: SliceState | None = None,
) -> GateResult:
    """May `route` go from `state` to `target` at `now`? (epoch seconds)

    `writes` is the ledger's row of the slice, where its data is `sync`; None: it has none yet.
    """
    if not is_raise(state, target):
        return GateResult("pass", "what raises nothing needs nothing")
    if not allowed(state.stage, target.stage):
        severe = target.stage in (ReadStage.LIVE, ReadStage.RETIRED)
        return GateResult("fail", refusal(state.stage, target.stage), final=severe)
    if target.stage is ReadStage.SHADOW:
        return _to_shadow(route, part, writes)
    if target.stage is ReadStage.RETIRED:
        return _to_retired(route, part, target, writes)
    unfed = _unfed(part, writes)
    if unfed is not None:
        return unfed
    if target.stage is ReadStage.LIVE:
        return _soaked(route, state, now) or _by_verdict(evidence)
    return _by_verdict(evidence)


def _to_shadow(route: Route, part: Slice, writes: SliceState | None) -> GateResult:
    if route.method not in MIRRORED_METHODS:
        return GateResult("fail", f"a {route.method} is never asked twice, so it cannot be compared", True)
    if not route.mirror:
        return GateResult(
            "fail", f"{route.id} is not mirrored: set mirror = true in the plan when it may be", True
        )
    return _unfed(part, writes) or GateResult("pass", f"data = {part.data!r} may be compared")


def _unfed(part: Slice, writes: SliceState | None) -> GateResult | None:
    """Without a relay the service answers from nothing: no override makes that right."""
    row = writes or SliceState(part.name)
    if part.data != "sync" or row.followed:
        return None
    stage = row.write_stage.value
    return GateResult(
        "fail", f"writes of slice {part.name} stand at {stage}: extracted gets the data from sync on", True
    )


def _to_retired(route: Route, part: Slice, target: Target, writes: SliceState | None) -> GateResult:
    row = writes or SliceState(part.name)
    if part.data == "sync" and not row.extracted_writes:
        stage = row.write_stage.value
        return GateResult(
            "fail", f"writes of slice {part.name} stand at {stage}: legacy may go once they are flipped", True
        )
    if part.data not in ("none", "sync"):
        return GateResult(
            "fail", f"data = {part.data!r}: legacy may go only when its slice has no writes", True
        )
    if not target.confirmed:
        return GateResult("fail", f"legacy is never asked again: add --confirm={route.id}", True)
    return GateResult("pass", "live, and confirmed")


def _soaked(route: Route, state: RouteState, now: float) -> GateResult | None:
    if state.applied_pct < 100:
        return GateResult("wait", f"wait: {state.applied_pct} % < 100 % served")
    held = max(0.0, now - state.since)
    if held < route.soak:
        return GateResult("wait", f"wait: held {held:.0f} s < {route.soak:.0f} s soak at 100 %")
    return None


def _by_verdict(evidence: RouteEvidence) -> GateResult:
    if evidence.verdict == "READY":
        return GateResult("pass", evidence.sentence)
    return GateResult("fail" if evidence.verdict == "NOT_READY" else "wait", evidence.sentence)
