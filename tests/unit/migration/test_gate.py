"""The gate: every stage to every stage, with every verdict, exhaustively and by example."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from migration.core.effective import RouteState
from migration.core.gate import NO_EVIDENCE, RouteEvidence, Target, Verdict, is_raise, judge
from migration.core.plan import Side
from migration.core.slice_state import SliceState
from migration.core.stages import LADDER, ReadStage, WriteStage, allowed, rank
from tests.unit.migration.migration_builders import a_route, a_slice, a_state

S = ReadStage
READY = RouteEvidence("READY", "0 of 343 differ", "h")
NOT_READY = RouteEvidence("NOT_READY", "hold: 0.31 % ≥ 0.1 %", "h")
CLOSE = RouteEvidence("INCONCLUSIVE", "needs 1,730 more comparisons", "h")
VERDICTS = [RouteEvidence(verdict, f"it is {verdict}", "h") for verdict in get_args(Verdict)]
HELD = a_state(stage=S.CANARY, cap_pct=100, applied_pct=100, since=1_000.0)

PCT = {S.LEGACY: 0, S.SHADOW: 0, S.CANARY: 10, S.LIVE: 100, S.RETIRED: 100}


def at(stage: ReadStage) -> RouteState:
    return a_state(stage=stage, cap_pct=PCT[stage], applied_pct=PCT[stage])


@pytest.mark.parametrize(
    ("state", "target", "evidence", "outcome", "words"),
    [
        (at(S.LEGACY), Target(S.SHADOW), NO_EVIDENCE, "pass", "'import'"),
        (at(S.LEGACY), Target(S.CANARY, 10), READY, "fail", "from legacy: shadow"),
        (at(S.SHADOW), Target(S.CANARY, 10), READY, "pass", "0 of 343"),
        (at(S.SHADOW), Target(S.CANARY, 10), NOT_READY, "fail", "0.31 %"),
        (at(S.SHADOW), Target(S.CANARY, 10), CLOSE, "wait", "1,730"),
        (at(S.SHADOW), Target(S.CANARY, 10), NO_EVIDENCE, "wait", "nothing was compared"),
        (at(S.SHADOW), Target(S.LIVE, 100), READY, "fail", "from shadow: canary"),
        (at(S.CANARY), Target(S.CANARY, 50), READY, "pass", "0 of 343"),
        (at(S.CANARY), Target(S.CANARY, 50), CLOSE, "wait", "1,730"),
        (at(S.CANARY), Target(S.CANARY, 10), NOT_READY, "pass", "needs nothing"),
        (at(S.CANARY), Target(S.CANARY, 1), NOT_READY, "pass", "needs nothing"),
        (at(S.CANARY), Target(S.LIVE, 100), READY, "wait", "10 % < 100 %"),
        (at(S.RETIRED), Target(S.LEGACY), NOT_READY, "pass", "needs nothing"),
    ],
)
def test_one_step_and_its_sentence(
    state: RouteState, target: Target, evidence: RouteEvidence, outcome: str, words: str
) -> None:
    result = judge(a_route(), a_slice(), state, target, evidence, 2_000.0)
    assert result.outcome == outcome
    assert words in result.sentence


@pytest.mark.parametrize(
    ("now", "evidence", "outcome", "words"),
    [
        (1_000.0, READY, "wait", "held 0 s < 3600 s"),
        (900.0, READY, "wait", "held 0 s"),
        (4_599.0, READY, "wait", "held 3599 s"),
        (4_600.0, READY, "pass", "343"),
        (4_600.0, CLOSE, "wait", "1,730"),
        (4_600.0, NOT_READY, "fail", "0.31"),
    ],
)
def test_live_needs_its_soak_at_100_percent_and_the_verdict(
    now: float, evidence: RouteEvidence, outcome: str, words: str
) -> None:
    result = judge(a_route(soak=3600.0), a_slice(), HELD, Target(S.LIVE, 100), evidence, now)
    assert result.outcome == outcome
    assert words in result.sentence


@pytest.mark.parametrize(
    ("data", "mirror", "outcome"),
    [
        ("import", True, "pass"),
        ("shared", True, "pass"),
        ("none", True, "pass"),
        ("sync", True, "fail"),
        ("import", False, "fail"),
    ],
)
def test_shadow_needs_data_to_compare_and_a_plan_that_says_mirror(
    data: str, mirror: bool, outcome: str
) -> None:
    result = judge(a_route(mirror=mirror), a_slice(data), at(S.LEGACY), Target(S.SHADOW), NO_EVIDENCE, 0.0)
    assert (result.outcome, result.final) == (outcome, outcome == "fail")


def test_what_may_not_be_asked_twice_is_told_of_no_key_that_the_plan_would_refuse() -> None:
    route = a_route(method="POST", mirror=False)
    result = judge(route, a_slice(), at(S.LEGACY), Target(S.SHADOW), NO_EVIDENCE, 0.0)
    assert (result.outcome, result.final) == ("fail", True)
    assert result.sentence == "a POST is never asked twice, so it cannot be compared"


@pytest.mark.parametrize(
    ("data", "confirmed", "outcome", "words"),
    [
        ("none", True, "pass", "confirmed"),
        ("none", False, "fail", "--confirm=catalog.show_product"),
        ("import", True, "fail", "no writes"),
        ("shared", True, "fail", "no writes"),
    ],
)
def test_retired_needs_a_slice_without_writes_and_a_typed_confirmation(
    data: str, confirmed: bool, outcome: str, words: str
) -> None:
    target = Target(S.RETIRED, 100, confirmed)
    result = judge(a_route(), a_slice(data), at(S.LIVE), target, NOT_READY, 0.0)
    assert (result.outcome, result.final) == (outcome, outcome == "fail")
    assert words in result.sentence


def test_live_is_not_reached_from_a_share_below_everybody() -> None:
    almost = a_state(stage=S.CANARY, cap_pct=100, applied_pct=99, since=0.0)
    result = judge(a_route(soak=0.0), a_slice(), almost, Target(S.LIVE, 100), READY, 9_999.0)
    assert (result.outcome, result.sentence) == ("wait", "wait: 99 % < 100 % served")


@pytest.mark.parametrize(
    ("start", "end", "final"),
    [
        (S.LEGACY, S.CANARY, False),
        (S.LEGACY, S.LIVE, True),
        (S.SHADOW, S.RETIRED, True),
        (S.CANARY, S.RETIRED, True),
    ],
)
def test_a_person_may_override_the_way_into_a_canary_but_no_leap_beyond(
    start: ReadStage, end: ReadStage, final: bool
) -> None:
    result = judge(a_route(), a_slice("none"), at(start), Target(end, PCT[end], True), READY, 0.0)
    assert (result.outcome, result.final) == ("fail", final)


def test_nothing_is_confirmed_by_default() -> None:
    result = judge(a_route(), a_slice("none"), at(S.LIVE), Target(S.RETIRED, 100), READY, 0.0)
    assert result.outcome == "fail"


@pytest.mark.parametrize("hold", [True, False])
def test_a_hold_does_not_bind_a_person(hold: bool) -> None:
    state = a_state(stage=S.CANARY, cap_pct=10, applied_pct=10, hold=hold)
    assert judge(a_route(), a_slice(), state, Target(S.CANARY, 50), READY, 0.0).outcome == "pass"


@pytest.mark.parametrize(("start", "end"), list(product(LADDER, LADDER)))
def test_every_step_with_every_verdict_and_data(start: ReadStage, end: ReadStage) -> None:
    for evidence, data, confirmed in product(VERDICTS, ("import", "shared", "none", "sync"), (True, False)):
        target = Target(end, PCT[end], confirmed)
        result = judge(a_route(soak=0.0), a_slice(data), at(start), target, evidence, 0.0)
        assert result.sentence
        if rank(end) <= rank(start):
            assert result.outcome == "pass"
            continue
        assert is_raise(at(start), target)
        if not allowed(start, end):
            assert result.outcome == "fail"
        if result.outcome == "pass" and end in (S.CANARY, S.LIVE):
            assert evidence.verdict == "READY"
        if evidence.verdict == "NOT_READY" and end in (S.CANARY, S.LIVE):
            assert result.outcome in ("fail", "wait")


W = WriteStage


def writes_at(stage: WriteStage) -> SliceState:
    side = Side.EXTRACTED if stage in (W.FLIPPED, W.RETIRED) else Side.LEGACY
    return SliceState("catalog", write_stage=stage, authority=side)


@pytest.mark.parametrize("target", [Target(S.SHADOW), Target(S.CANARY, 10), Target(S.LIVE, 100)])
@pytest.mark.parametrize("writes", [None, *map(writes_at, WriteStage)])
def test_reads_of_synced_data_leave_legacy_once_the_service_gets_the_data(
    target: Target, writes: SliceState | None
) -> None:
    below = {S.SHADOW: at(S.LEGACY), S.CANARY: at(S.SHADOW), S.LIVE: HELD}[target.stage]
    result = judge(a_route(soak=0.0), a_slice("sync"), below, target, READY, 2_000.0, writes)
    stage = writes.write_stage if writes is not None else W.LEGACY
    if stage in (W.LEGACY, W.CAPTURE):
        assert (result.outcome, result.final) == ("fail", True)
        assert result.sentence.endswith(f"stand at {stage.value}: extracted gets the data from sync on")
    else:
        assert result.outcome == "pass"


@pytest.mark.parametrize("writes", [None, *map(writes_at, WriteStage)])
def test_reads_of_synced_data_retire_once_its_writes_are_flipped(writes: SliceState | None) -> None:
    target = Target(S.RETIRED, 100, confirmed=True)
    result = judge(a_route(), a_slice("sync"), at(S.LIVE), target, NOT_READY, 0.0, writes)
    if writes is not None and writes.extracted_writes:
        assert result.outcome == "pass"
    else:
        assert (result.outcome, result.final) == ("fail", True)
        assert "legacy may go once they are flipped" in result.sentence


def test_data_that_is_not_synced_asks_nothing_of_its_writes() -> None:
    for stage in WriteStage:
        result = judge(
            a_route(), a_slice("import"), at(S.LEGACY), Target(S.SHADOW), NO_EVIDENCE, 0.0, writes_at(stage)
        )
        assert result.outcome == "pass"
