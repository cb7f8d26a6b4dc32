"""Writes of data that is kept in step: their side is the authority's, and while it changes they wait."""

from __future__ import annotations

import pytest

from facade.core.decide import decide
from facade.core.forward import forwarded_head
from facade.core.key import Key
from facade.core.writes import FULL, HOLDS, MOVING, UNKNOWN, Write, known_states, leader
from facade.errors import Refused
from migration.core.flags import Intent
from migration.core.plan import Side
from migration.core.slice_state import SlicePhase, SliceState
from migration.core.stages import ReadStage
from tests.unit.facade.facade_builders import (
    PROJECT,
    a_request,
    a_route,
    a_row,
    a_snapshot,
    a_synced_plan,
    at,
    now,
)
from tests.unit.facade.test_facade_decide import _asked

DAY = "2026-03-01"
LEGACY, EXTRACTED = Side.LEGACY, Side.EXTRACTED
PLACE, SHOW, FORM = "catalog.place", "catalog.show", "catalog.form"
P = SlicePhase


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("killed", [True, False])
@pytest.mark.parametrize("stage", list(ReadStage))
def test_a_write_goes_to_the_authority_whatever_stage_flag_and_kill_say(
    side: Side, killed: bool, stage: ReadStage
) -> None:
    pct = {ReadStage.LEGACY: 0, ReadStage.SHADOW: 0, ReadStage.CANARY: 50}.get(stage, 100)
    intents = {PLACE: Intent(0 if side is EXTRACTED else 100, known=True, killed=killed)}
    states = at(stage, pct, route=PLACE)
    decision = decide(now(slices=a_row(side), states=states, intents=intents), _asked("/p", "POST"), DAY)
    assert (decision.side, decision.fallback, decision.tap) == (side, False, False)
    assert decision.why == f"authority {side.value}"
    assert decision.write is not None
    assert (decision.write.slice, decision.write.epoch) == ("catalog", 4)


def test_a_method_override_makes_a_read_a_write() -> None:
    snapshot = now(slices=a_row(EXTRACTED), states=at(ReadStage.LIVE, 100, 100, SHOW))
    decision = decide(snapshot, _asked(safe=False), DAY)
    assert (decision.side, decision.fallback, decision.untapped) == (EXTRACTED, False, "method")
    assert decision.write is not None


def test_a_read_keeps_its_stage_whoever_is_the_authority() -> None:
    for side in Side:
        decision = decide(now(slices=a_row(side)), _asked(), DAY)
        assert (decision.side, decision.write) == (LEGACY, None)
        live = now(slices=a_row(side), states=at(ReadStage.LIVE, 100, route=SHOW))
        decision = decide(live, _asked(), DAY)
        assert (decision.side, decision.fallback, decision.write) == (EXTRACTED, True, None)


def test_a_slice_that_is_not_kept_in_step_has_no_authority() -> None:
    plan = a_synced_plan(data="shared")
    decision = decide(now(plan, a_row(EXTRACTED)), _asked("/p", "POST"), DAY)
    assert (decision.side, decision.write) == (LEGACY, None)


@pytest.mark.parametrize("side", list(Side))
def test_the_page_of_a_form_is_answered_by_who_takes_the_form(side: Side) -> None:
    states = at(ReadStage.LEGACY if side is EXTRACTED else ReadStage.LIVE, 0 if side is EXTRACTED else 100,
                route=FORM)  # fmt: skip
    decision = decide(now(slices=a_row(side), states=states), _asked("/form"), DAY)
    assert (decision.side, decision.fallback, decision.write) == (side, False, None)
    assert (decision.tap, decision.untapped) == (False, None)


def test_the_page_of_a_form_is_compared_as_its_own_stage_says() -> None:
    states = at(ReadStage.SHADOW, 0, 100, FORM)
    decision = decide(now(states=states), _asked("/form"), DAY)
    assert (decision.side, decision.tap) == (LEGACY, True)
    assert decide(now(states=states, slices={}), _asked("/form"), DAY).side is LEGACY


@pytest.mark.parametrize(("key", "side"), [("0", EXTRACTED), ("1", EXTRACTED), ("2", LEGACY), ("3", LEGACY)])
def test_without_data_in_step_the_page_takes_the_side_that_the_flag_gives_its_write(
    key: str, side: Side
) -> None:
    plan, send = a_synced_plan(data="none"), "catalog.send"
    states = at(ReadStage.CANARY, 50, route=send) | at(ReadStage.LIVE, 100, route=FORM)
    intents = {send: Intent(50, known=True), FORM: Intent(100, known=True)}
    found = []
    for method in ("GET", "POST"):
        asked = _asked("/form", method, key=Key(key, signed=True))
        decision = decide(now(plan, {}, states=states, intents=intents), asked, DAY)
        found.append((decision.side, decision.fallback))
    assert found == [(found[0][0], False)] * 2


def test_a_page_and_its_write_are_asked_of_the_engine_by_one_flag() -> None:
    asked: list[str] = []

    def evaluate(flag: str, _key: str) -> bool:
        asked.append(flag)
        return True

    plan, send = a_synced_plan(data="none"), "catalog.send"
    states = at(ReadStage.CANARY, 100, route=send)
    snapshot = a_snapshot(plan, states, {send: Intent(100, known=True, targeted=True)}, evaluate)
    assert decide(snapshot, _asked("/form"), DAY).side is EXTRACTED
    assert asked == ["strangler.catalog.send"]


@pytest.mark.parametrize(
    ("pair", "method", "led_by"),
    [(None, "GET", "x"), ("place", "GET", "place"), ("show", "GET", "x"), ("gone", "GET", "x"),
     ("form", "POST", "x")],
)  # fmt: skip
def test_of_a_pair_the_write_leads(pair: str | None, method: str, led_by: str) -> None:
    route = a_route("x", f"{method} /x", pair=pair, mirror=False)
    assert leader(a_synced_plan(route), route).name == led_by


SPECIAL = [
    (a_row(LEGACY), False),
    (a_row(LEGACY, phase=P.ANNOUNCED), False),
    (a_row(LEGACY, phase=P.FLIPPING), True),
    (a_row(EXTRACTED), True),
    ({}, True),
]


@pytest.mark.parametrize(("slices", "refused"), SPECIAL)
def test_another_spelling_of_a_write_does_not_slip_past_its_authority(
    slices: dict[str, SliceState], refused: bool
) -> None:
    snapshot = now(slices=slices)
    if refused:
        with pytest.raises(Refused) as caught:
            decide(snapshot, _asked("//p", "POST"), DAY)
        assert caught.value.problem.status == 400
    else:
        assert decide(snapshot, _asked("//p", "POST"), DAY).route is None


def test_what_is_known_of_a_slice_that_has_no_row() -> None:
    plan = a_synced_plan()
    assert known_states(plan, {}, ledger_read=False) == {}
    assert known_states(plan, {}, ledger_read=True) == {"catalog": SliceState("catalog")}
    assert now(slices={}).writes["catalog"].side is None
    view = now(slices=a_row(EXTRACTED, phase=P.UNKNOWN)).writes["catalog"]
    assert (view.side, view.waits, view.hold) == (EXTRACTED, True, 2.0)


@pytest.mark.parametrize(
    ("status", "epoch", "after", "spans"),
    [(500, 4, 5, True), (503, 4, 5, True), (201, 4, 5, False), (500, 4, 4, False), (500, 4, 0, False)],
)
def test_a_failure_across_two_epochs_is_told_apart(status: int, epoch: int, after: int, spans: bool) -> None:
    write = Write("catalog")
    write.epoch, write.epoch_after = epoch, after
    assert write.spans(status) is spans


def test_a_refusal_says_that_nothing_was_written_and_when_to_try_again() -> None:
    for problem in (MOVING, FULL, UNKNOWN):
        assert (problem.status, problem.retry_after) == (503, 1)
        assert "Nothing was written: try again" in problem.detail
    assert {"moving", "moving_full", "authority_unknown"} == HOLDS


def test_the_upstream_is_told_the_epoch_of_a_write_alone() -> None:
    plan = a_synced_plan()
    request = a_request("X-Strangler-Epoch: 99", method="POST", target="/p", plan=plan)
    to = now(plan).legacy
    heads = [
        forwarded_head(request, to, PROJECT, planned=True, two_sides=False, epoch=epoch)
        for epoch in (4, None)
    ]
    assert [head.count(b"X-Strangler-Epoch: 4\r\n") for head in heads] == [1, 0]
    assert [head.count(b"99") for head in heads] == [0, 0]
