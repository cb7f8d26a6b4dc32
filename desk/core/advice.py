"""What a row of `status` says beyond its numbers: what is served, how bad it is, what to type next."""

from __future__ import annotations

from dataclasses import dataclass

from migration.core.effective import RouteState
from migration.core.flags import Intent
from migration.core.gate import GateResult, RouteEvidence
from migration.core.plan import Route
from migration.core.plan_pairs import SAFE_METHODS
from migration.core.slice_state import SlicePhase, SliceState
from migration.core.stages import ReadStage, WriteStage


@dataclass(frozen=True, slots=True)
class RouteView:
    """Everything known about a route at one moment.

    `gate` answers for the next step of the ladder (None: there is none), `held` is why less is served than
    the flags ask for, `top_finding` the worst difference found, `mirrored` the share compared now,
    `soak_left` the seconds until the present step has soaked, `writes` the ledger's row of the slice.
    """

    route: Route
    state: RouteState
    intent: Intent | None
    evidence: RouteEvidence
    gate: GateResult | None = None
    step: str = ""
    held: str | None = None
    numbers: str = ""
    short: str = ""
    top_finding: str = ""
    mirrored: int = 0
    soak_left: float = 0.0
    writes: SliceState | None = None

    @property
    def stage(self) -> str:
        """Where reads and writes stand: two ladders, always told together."""
        return stage_words(self.state, self.writes)


def stage_words(state: RouteState, writes: SliceState | None) -> str:
    """`reads=shadow writes=sync`; a flip under way is told too."""
    return f"reads={state.stage.value} {writes_words(writes)}"


def writes_words(writes: SliceState | None) -> str:
    """Where the writes of a slice stand; None: its data is not kept in step."""
    if writes is None:
        return "writes=legacy"
    phase = "" if writes.phase is SlicePhase.STEADY else f" ({writes.phase.value})"
    return f"writes={writes.write_stage.value}{phase}"


def served(state: RouteState, intent: Intent | None) -> int:
    """The share of keys that extracted answers now, 0..100: intent clamped by the ledger."""
    if state.stage is ReadStage.RETIRED:
        return 100
    if intent is not None and intent.killed:
        return 0
    if intent is None or not intent.known:
        return state.applied_pct
    return min(intent.rollout, state.cap_pct)


def asked(intent: Intent | None) -> str:
    """The share the flags ask for, or a question mark where they cannot be read."""
    return "?" if intent is None or not intent.known else f"{intent.rollout} %"


def severity(view: RouteView) -> int:
    """How urgently a person should look: 0 is worst."""
    share = served(view.state, view.intent)
    if view.evidence.verdict == "NOT_READY":
        return 0 if share else 1
    if view.intent is None or view.intent.problem or view.intent.killed:
        return 2
    if view.state.hold or view.held:
        return 3
    return 4 if view.evidence.verdict != "READY" else 5


def worst_first(views: list[RouteView]) -> list[RouteView]:
    """Sorted by severity; routes of equal severity stay in the order of the plan."""
    return sorted(views, key=severity)


def sentence(view: RouteView) -> str:
    """The one thing to know about the route now."""
    if takes_writes(view):
        return writes_sentence(view)
    if view.state.hold:
        return f"held: {view.state.hold_reason}" if view.state.hold_reason else "held by a person"
    if view.held is not None:
        return view.held
    if view.gate is None:
        return "at the top of its ladder"
    if view.gate.outcome != "pass":
        return view.gate.sentence
    if view.soak_left > 0:
        return f"soaks: {view.soak_left:.0f} s of {view.route.soak:.0f} s left"
    return f"the gate allows {view.step}"


def takes_writes(view: RouteView) -> bool:
    """Whether the route writes to a slice that is kept in step: no share of it is ever shifted."""
    return view.writes is not None and view.route.method not in SAFE_METHODS


def writes_sentence(view: RouteView) -> str:
    """Where such a route's requests go."""
    writes = view.writes
    if writes is None or writes.write_stage is WriteStage.LEGACY:
        return "writes go to legacy: capture is not installed"
    waits = ", waits" if writes.waits else ""
    return f"writes go to {writes.authority.value} (epoch {writes.epoch}){waits}"


def next_command(view: RouteView) -> str:
    """What to type next about this route."""
    name = view.route.id
    if takes_writes(view):
        return f"strangler sync status {view.route.slice_name}"
    if view.intent is None or view.intent.problem:
        return "strangler flags lint"
    if view.evidence.verdict == "NOT_READY":
        share = served(view.state, view.intent)
        return f"strangler rollback {name}" if share else f"strangler report {name}"
    if view.state.hold:
        return f"strangler report {name}"
    if view.state.stage is ReadStage.LEGACY:
        return f"strangler shadow start {name} --sample 100" if view.route.mirror else "-"
    return _by_gate(view)


def _by_gate(view: RouteView) -> str:
    if view.gate is None:
        return "-"
    if view.gate.outcome == "pass" and view.soak_left <= 0:
        return f"strangler advance {view.route.id}"
    if view.gate.outcome != "pass" and view.top_finding:
        return f"strangler report {view.route.id}"
    return f"strangler route get {view.route.id} --watch"
