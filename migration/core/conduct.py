"""What the conductor writes: intent becomes effective, as far as the gate lets it.

Lowering is written at once; raising passes the gate; a hold keeps everything from being raised. Intent that
cannot be read changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from migration.core.effective import RouteState
from migration.core.flags import Intent
from migration.core.gate import GateResult, RouteEvidence, Target, is_raise, judge
from migration.core.plan import Route, Slice
from migration.core.slice_state import SliceState
from migration.core.stages import ReadStage

# A flag changed through Unleash reaches its client API within 0.7 s (measured), a poll later it is here. What
# was seen sooner after a change of the row may be older than it, and must not undo it.
FLAGS_SETTLE = 2.0


@dataclass(frozen=True, slots=True)
class Change:
    """The values a row shall get, and why."""

    stage: ReadStage
    cap_pct: int
    applied_pct: int
    mirror_pct: int
    why: str
    evidence_hash: str = ""


def conduct(
    route: Route,
    part: Slice,
    state: RouteState,
    intent: Intent | None,
    evidence: RouteEvidence,
    now: float,
    writes: SliceState | None = None,
) -> Change | None:
    """The next change of the row, or None when it stands where it should; `writes` as in `judge`."""
    if intent is None or state.stage is ReadStage.RETIRED:
        return None
    if intent.killed:
        after, why = replace(state, applied_pct=0), "strangler.kill is on"
    elif not _settled(state, intent):
        return None
    else:
        after, why = _moved(route, part, state, intent, evidence, now, writes)
        after = _followed(after, intent)
    if after == state:
        return None
    return Change(after.stage, after.cap_pct, after.applied_pct, after.mirror_pct, why, evidence.hash)


def held(
    route: Route,
    part: Slice,
    state: RouteState,
    intent: Intent | None,
    evidence: RouteEvidence,
    now: float,
    writes: SliceState | None = None,
) -> str | None:
    """Why the route stands below what the flags ask for, in one sentence; None when it does not."""
    if intent is None or state.stage is ReadStage.RETIRED:
        return None
    if intent.killed:
        return "strangler.kill is on: legacy answers everything"
    if not intent.known:
        return f"{intent.problem or 'the flags are lost'}; {state.applied_pct} % kept"
    if not intent.shadow_known:
        return f"{intent.problem or 'the shadow flag is lost'}; {state.mirror_pct} % mirroring kept"
    target = _wanted(state, intent)
    if target is None or target.stage is ReadStage.LIVE or not is_raise(state, target):
        return None
    result = _gate(route, part, state, target, evidence, now, writes)
    if result.outcome == "pass":
        return None
    asked = f"{intent.rollout} %" if intent.rollout else f"{intent.shadow} % mirrored"
    where = f"{state.cap_pct} %" if state.cap_pct else state.stage.value
    return f"flags ask {asked}, held at {where}: {result.sentence}"


def _settled(state: RouteState, intent: Intent) -> bool:
    return intent.seen_at is None or intent.seen_at >= state.since + FLAGS_SETTLE


def _wanted(state: RouteState, intent: Intent) -> Target | None:
    """The next step towards the intent, or None when it cannot be read."""
    mirror = intent.shadow if intent.shadow_known else state.mirror_pct
    below = Target(ReadStage.SHADOW if mirror else ReadStage.LEGACY)
    if not intent.known:
        return below if state.cap_pct == 0 else None
    if intent.rollout == 0 or (state.stage is ReadStage.LEGACY and mirror):
        return below
    full = intent.rollout == 100 and state.cap_pct == 100
    return Target(ReadStage.LIVE if full else ReadStage.CANARY, intent.rollout)


def _gate(
    route: Route,
    part: Slice,
    state: RouteState,
    target: Target,
    evidence: RouteEvidence,
    now: float,
    writes: SliceState | None,
) -> GateResult:
    if state.hold:
        reason = f" ({state.hold_reason})" if state.hold_reason else ""
        return GateResult("wait", f"on hold{reason}; strangler shift or advance releases it")
    return judge(route, part, state, target, evidence, now, writes)


def _moved(
    route: Route,
    part: Slice,
    state: RouteState,
    intent: Intent,
    evidence: RouteEvidence,
    now: float,
    writes: SliceState | None,
) -> tuple[RouteState, str]:
    target = _wanted(state, intent)
    if target is None or (target.stage, target.pct) == (state.stage, state.cap_pct):
        return state, "the flags are followed"
    if not is_raise(state, target):
        return _at(state, target), f"the flags ask {intent.rollout} %, {intent.shadow} % mirrored"
    result = _gate(route, part, state, target, evidence, now, writes)
    if result.outcome != "pass":
        return state, "the flags are followed"
    return _at(state, target), result.sentence


def _at(state: RouteState, target: Target) -> RouteState:
    applied = min(state.applied_pct, target.pct)
    return replace(state, stage=target.stage, cap_pct=target.pct, applied_pct=applied)


def _followed(state: RouteState, intent: Intent) -> RouteState:
    """What is served and mirrored follows the flags that can be read, within the stage."""
    applied = min(_everybody(intent), state.cap_pct) if intent.known else state.applied_pct
    mirror = intent.shadow if intent.shadow_known else state.mirror_pct
    return replace(state, applied_pct=applied, mirror_pct=0 if state.stage is ReadStage.LEGACY else mirror)


def _everybody(intent: Intent) -> int:
    """The share of all keys: of a targeted flag 0, or losing the flags would move who was never meant."""
    return 0 if intent.targeted else intent.rollout
