"""What the conductor writes: every stage against every intent and verdict, and the sentences people read."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from migration.core.conduct import FLAGS_SETTLE, Change, conduct, held
from migration.core.effective import RouteState
from migration.core.flags import Intent
from migration.core.gate import NO_EVIDENCE, RouteEvidence, Target, is_raise
from migration.core.stages import ReadStage, rank
from tests.unit.migration.migration_builders import a_route, a_slice, a_state

S = ReadStage
READY = RouteEvidence("READY", "0 of 343 differ", "hash")
NOT_READY = RouteEvidence("NOT_READY", "3 findings", "hash")
CLOSE = RouteEvidence("INCONCLUSIVE", "needs 1,730 more comparisons", "hash")
ROUTE, PART = a_route(soak=3600.0), a_slice()
NOW = 10_000.0


def asks(rollout: int = 0, shadow: int = 0, **changes: object) -> Intent:
    values: dict[str, object] = {"known": True, "shadow_known": True, "seen_at": NOW}
    return Intent(**(values | {"rollout": rollout, "shadow": shadow} | changes))  # type: ignore[arg-type]


LEGACY = a_state()
SHADOW = a_state(stage=S.SHADOW, mirror_pct=25)
CANARY = a_state(stage=S.CANARY, cap_pct=10, applied_pct=10, mirror_pct=25)
FULL = a_state(stage=S.CANARY, cap_pct=100, applied_pct=100, mirror_pct=25)
LIVE = a_state(stage=S.LIVE, cap_pct=100, applied_pct=100, mirror_pct=25)
RETIRED = a_state(stage=S.RETIRED, cap_pct=100, applied_pct=100)


def values(change: Change | None) -> tuple[object, ...] | None:
    return None if change is None else (change.stage, change.cap_pct, change.applied_pct, change.mirror_pct)


@pytest.mark.parametrize(
    ("state", "intent", "evidence", "expected"),
    [
        pytest.param(LEGACY, asks(), READY, None, id="nothing asked, nothing done"),
        pytest.param(LEGACY, None, READY, None, id="no flags at all: nothing changes"),
        pytest.param(LEGACY, asks(0, 25), NO_EVIDENCE, (S.SHADOW, 0, 0, 25), id="shadow flag on"),
        pytest.param(LEGACY, asks(10, 25), READY, (S.SHADOW, 0, 0, 25), id="both asked: shadow comes first"),
        pytest.param(LEGACY, asks(10, 0), READY, None, id="a canary cannot come before shadow"),
        pytest.param(SHADOW, asks(0, 50), CLOSE, (S.SHADOW, 0, 0, 50), id="another mirrored share"),
        pytest.param(SHADOW, asks(0, 0), CLOSE, (S.LEGACY, 0, 0, 0), id="shadow flag off"),
        pytest.param(SHADOW, asks(10, 25), READY, (S.CANARY, 10, 10, 25), id="the gate passes"),
        pytest.param(SHADOW, asks(10, 25), CLOSE, None, id="the gate waits"),
        pytest.param(SHADOW, asks(10, 25), NOT_READY, None, id="the gate fails"),
        pytest.param(SHADOW, asks(10, 0), READY, (S.CANARY, 10, 10, 0), id="a canary without a mirror"),
        pytest.param(
            SHADOW,
            asks(100, 25, targeted=True),
            READY,
            (S.CANARY, 100, 0, 25),
            id="for some only: were the flags lost, 100 % of everybody would follow",
        ),
        pytest.param(
            replace(FULL, applied_pct=0),
            asks(100, 25, targeted=True, seen_at=1e9),
            READY,
            None,
            id="100 % of some is never live",
        ),
        pytest.param(CANARY, asks(50, 25), READY, (S.CANARY, 50, 50, 25), id="raised further"),
        pytest.param(CANARY, asks(50, 25), CLOSE, None, id="further, but the gate waits"),
        pytest.param(CANARY, asks(1, 25), NOT_READY, (S.CANARY, 1, 1, 25), id="lowered at once"),
        pytest.param(CANARY, asks(0, 25), NOT_READY, (S.SHADOW, 0, 0, 25), id="lowered to shadow"),
        pytest.param(CANARY, asks(0, 0), NOT_READY, (S.LEGACY, 0, 0, 0), id="lowered to legacy"),
        pytest.param(FULL, asks(100, 25, seen_at=NOW), READY, (S.LIVE, 100, 100, 25), id="soaked: live"),
        pytest.param(replace(FULL, since=NOW - 60), asks(100, 25), READY, None, id="not soaked yet"),
        pytest.param(LIVE, asks(100, 25), NOT_READY, None, id="nothing rolls back by itself yet"),
        pytest.param(LIVE, asks(50, 25), NOT_READY, (S.CANARY, 50, 50, 25), id="lowered from live"),
        pytest.param(RETIRED, asks(0, 0), NOT_READY, None, id="retired is left alone"),
        pytest.param(CANARY, asks(50, 25, known=False), READY, None, id="a share that cannot be read"),
        pytest.param(
            SHADOW, asks(0, 50, known=False), READY, (S.SHADOW, 0, 0, 50), id="the mirror still follows"
        ),
        pytest.param(
            LEGACY, asks(0, 50, known=False), READY, (S.SHADOW, 0, 0, 50), id="shadow without the other"
        ),
        pytest.param(CANARY, asks(0, 0, shadow_known=False), READY, (S.SHADOW, 0, 0, 25), id="mirror kept"),
        pytest.param(
            CANARY, asks(10, 25, killed=True), READY, (S.CANARY, 10, 0, 25), id="killed: the cap stays"
        ),
        pytest.param(
            CANARY, asks(50, 25, killed=True), READY, (S.CANARY, 10, 0, 25), id="killed: nothing rises"
        ),
        pytest.param(LIVE, asks(100, 25, killed=True), READY, (S.LIVE, 100, 0, 25), id="killed while live"),
        pytest.param(
            replace(LIVE, applied_pct=0),
            asks(100, 25),
            NOT_READY,
            (S.LIVE, 100, 100, 25),
            id="kill taken back",
        ),
        pytest.param(replace(CANARY, hold=True), asks(50, 25), READY, None, id="a hold blocks raising"),
        pytest.param(replace(LEGACY, hold=True), asks(0, 25), READY, None, id="a hold blocks shadow too"),
        pytest.param(replace(FULL, hold=True), asks(100, 25), READY, None, id="a hold blocks live"),
        pytest.param(
            replace(CANARY, hold=True), asks(1, 25), READY, (S.CANARY, 1, 1, 25), id="never lowering"
        ),
    ],
)
def test_the_next_change(
    state: RouteState, intent: Intent | None, evidence: RouteEvidence, expected: tuple[object, ...] | None
) -> None:
    change = conduct(ROUTE, PART, state, intent, evidence, NOW)
    assert values(change) == expected
    if change is not None:
        assert change.why
        assert change.evidence_hash == evidence.hash


@pytest.mark.parametrize("rollout", [0, 1, 50])
def test_flags_seen_before_the_row_settled_do_not_undo_what_a_person_just_did(rollout: int) -> None:
    state = replace(CANARY, since=NOW)
    early, late = NOW + FLAGS_SETTLE - 0.1, NOW + FLAGS_SETTLE
    assert conduct(ROUTE, PART, state, asks(rollout, 25, seen_at=early), READY, NOW) is None
    assert conduct(ROUTE, PART, state, asks(rollout, 25, seen_at=late), READY, NOW) is not None
    assert conduct(ROUTE, PART, state, asks(rollout, 25, seen_at=None), READY, NOW) is not None


def test_a_kill_acts_however_fresh_the_row_is() -> None:
    state = replace(CANARY, since=NOW)
    assert conduct(ROUTE, PART, state, asks(10, 25, killed=True, seen_at=NOW), READY, NOW) is not None


@pytest.mark.parametrize(
    ("state", "intent", "evidence", "sentence"),
    [
        (SHADOW, asks(50, 25), CLOSE, "flags ask 50 %, held at shadow: needs 1,730 more comparisons"),
        (CANARY, asks(50, 25), NOT_READY, "flags ask 50 %, held at 10 %: 3 findings"),
        (
            replace(CANARY, hold=True, hold_reason="by anna"),
            asks(50, 25),
            READY,
            "flags ask 50 %, held at 10 %: on hold (by anna); strangler shift or advance releases it",
        ),
        (
            replace(LEGACY, hold=True),
            asks(0, 25),
            READY,
            "flags ask 25 % mirrored, held at legacy: on hold; strangler shift or advance releases it",
        ),
        (CANARY, asks(50, 25, killed=True), READY, "strangler.kill is on: legacy answers everything"),
        (CANARY, asks(known=False, problem="f: 33.5"), READY, "f: 33.5; 10 % kept"),
        (CANARY, asks(known=False), READY, "the flags are lost; 10 % kept"),
        (CANARY, asks(shadow_known=False, problem="s: abc"), READY, "s: abc; 25 % mirroring kept"),
        (CANARY, asks(shadow_known=False), READY, "the shadow flag is lost; 25 % mirroring kept"),
        (CANARY, asks(50, 25), READY, None),
        (CANARY, asks(10, 25), NOT_READY, None),
        (CANARY, asks(1, 25), NOT_READY, None),
        (replace(FULL, since=NOW), asks(100, 25), READY, None),
        (RETIRED, asks(0, 0), READY, None),
        (CANARY, None, READY, None),
    ],
)
def test_a_held_intent_is_told_with_what_it_waits_for(
    state: RouteState, intent: Intent | None, evidence: RouteEvidence, sentence: str | None
) -> None:
    assert held(ROUTE, PART, state, intent, evidence, NOW) == sentence


STATES = [
    replace(state, hold=hold, since=since, applied_pct=applied)
    for state, hold, since in product(
        (LEGACY, SHADOW, CANARY, FULL, LIVE, RETIRED), (True, False), (0.0, NOW - 60)
    )
    for applied in {0, state.applied_pct}
]
INTENTS = [
    None,
    *(
        asks(rollout, shadow, known=known, shadow_known=shadow_known, killed=killed)
        for rollout, shadow, known, shadow_known, killed in product(
            (0, 1, 10, 50, 100), (0, 25), (True, False), (True, False), (True, False)
        )
    ),
]


@pytest.mark.parametrize(
    "evidence", [READY, NOT_READY, CLOSE, NO_EVIDENCE], ids=lambda evidence: evidence.verdict
)
def test_every_combination_is_safe_and_comes_to_rest(evidence: RouteEvidence) -> None:
    for state, intent in product(STATES, INTENTS):
        change = conduct(ROUTE, PART, state, intent, evidence, NOW)
        if change is None:
            continue
        assert intent is not None
        after = replace(  # a row that contradicts itself would raise here
            state,
            stage=change.stage,
            cap_pct=change.cap_pct,
            applied_pct=change.applied_pct,
            mirror_pct=change.mirror_pct,
        )
        raised = is_raise(state, Target(after.stage, after.cap_pct))
        assert not (raised and (state.hold or intent.killed))
        if raised and after.stage in (S.CANARY, S.LIVE):
            assert evidence.verdict == "READY"
            assert intent.known
        if after.cap_pct:
            assert after.cap_pct <= max(intent.rollout, state.cap_pct)
        assert rank(after.stage) - rank(state.stage) <= 1
        if intent.killed:
            assert after.applied_pct == 0
        elif intent.known:
            assert after.applied_pct <= intent.rollout
        _comes_to_rest(after, intent, evidence)


def _comes_to_rest(state: RouteState, intent: Intent, evidence: RouteEvidence) -> None:
    """The same intent, asked again and again, ends within as many steps as the ladder has."""
    for _ in range(4):
        change = conduct(ROUTE, PART, state, intent, evidence, NOW)
        if change is None:
            return
        state = replace(
            state,
            stage=change.stage,
            cap_pct=change.cap_pct,
            applied_pct=change.applied_pct,
            mirror_pct=change.mirror_pct,
        )
    raise AssertionError(f"{state} does not come to rest under {intent}")
