"""The gate, asked for one step of one route, with what it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from desk.evidence import Evidence, Summary
from migration.bootstrap import open_ledger
from migration.core.effective import RouteState
from migration.core.gate import GateResult, Target, judge
from migration.core.ladder import next_step, soak_left
from migration.core.plan import Plan, Route
from migration.core.stages import ReadStage

TOP = GateResult("pass", "at the top of its ladder: there is no next step")


@dataclass(frozen=True, slots=True)
class GateCheck:
    """The answer, the step it is about, and each thing looked at: what, met or not, present value."""

    route: str
    step: str
    result: GateResult
    lines: tuple[tuple[str, bool, str], ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        checks = [{"asked": what, "met": met, "now": now} for what, met, now in self.lines]
        return {
            "route": self.route,
            "step": self.step,
            "outcome": self.result.outcome,
            "sentence": self.result.sentence,
            "checks": checks,
        }


def ask(plan: Plan, route: Route, share: int | None, now: float) -> GateCheck:
    """May `route` take its next step (or go to `share` %)? LedgerError when the ledger is away."""
    ledger = open_ledger(plan.ledger.url, create=False)
    try:
        state = ledger.routes().get(route.id) or RouteState(route.id)
        writes = ledger.slices().get(route.slice_name)
    finally:
        ledger.close()
    target = next_step(route, state) if share is None else share_target(state, share)
    if target is None:
        return GateCheck(route.id, "-", TOP, ())
    with Evidence(plan.evidence.url) as reader:
        told = reader.summary(plan, route.id, now)
    judged = judge(route, plan.slices[route.slice_name], state, target, told.evidence, now, writes)
    left = soak_left(route, state, now)
    soaks = f"{left:.0f} s of {route.soak:.0f} s left" if left else "yes"
    # The next step is what `advance` takes, and that waits for the soak; a share that is named does not.
    soaked = not left or share is not None
    result = judged if soaked or judged.outcome != "pass" else GateResult("wait", f"soaks: {soaks}")
    step = f"{target.stage.value} {target.pct} %" if target.pct else target.stage.value
    lines = [
        ("stage", True, f"reads={state.stage.value}, proven up to {state.cap_pct} %"),
        ("step", result.outcome == "pass", step),
        ("no hold", not state.hold, state.hold_reason or "none"),
    ]
    # Comparing is what brings the evidence: it needs none.
    if target.stage not in (ReadStage.LEGACY, ReadStage.SHADOW):
        lines += [*_evidence_lines(told), ("soaked", soaked, soaks)]
    return GateCheck(route.id, step, result, tuple(lines))


def _evidence_lines(told: Summary) -> list[tuple[str, bool, str]]:
    verdict = told.evidence.verdict
    return [
        ("verdict READY", verdict == "READY", f"{verdict} {told.numbers}".strip()),
        # To know, not to pass: a finding weighs by the trials in which it was seen.
        ("worst finding", True, told.top_finding or "none"),
    ]


def share_target(state: RouteState, share: int) -> Target:
    """What a share asks of the ladder."""
    if share == 0:
        return Target(ReadStage.SHADOW if state.mirror_pct else ReadStage.LEGACY)
    if share == 100 and state.stage in (ReadStage.LIVE, ReadStage.RETIRED):
        return Target(state.stage, 100)
    return Target(ReadStage.CANARY, share)
