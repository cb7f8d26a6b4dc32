"""What a row of `status` says: what is served, how bad it is, what to type next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from desk.core.advice import RouteView, asked, next_command, sentence, served, severity, worst_first
from migration.core.effective import RouteState
from migration.core.flags import Intent
from migration.core.gate import NO_EVIDENCE, GateResult, RouteEvidence
from migration.core.plan import Route
from migration.core.slice_state import SlicePhase, SliceState
from migration.core.stages import ReadStage, WriteStage
from migration.core.template import Template

ROUTE = Route("catalog", "show", "GET", Template.parse("/p"), "catalog", mirror=True)
LEGACY = RouteState("catalog.show")
SHADOW = RouteState("catalog.show", ReadStage.SHADOW)
CANARY = RouteState("catalog.show", ReadStage.CANARY, 50, 10)
LIVE = RouteState("catalog.show", ReadStage.LIVE, 100, 100)
RETIRED = RouteState("catalog.show", ReadStage.RETIRED, 100, 100)
ASKS_20 = Intent(rollout=20, known=True, shadow_known=True)
ASKS_NOTHING = Intent(known=True, shadow_known=True)
KILLED = replace(ASKS_20, killed=True)
UNREADABLE = Intent(problem="a rollout of 33.5 is no share")
READY = RouteEvidence("READY", "READY", "")
NOT_READY = RouteEvidence("NOT_READY", "no", "")
WAITS = GateResult("wait", "needs 300 more")
PASSES = GateResult("pass", "READY")


def view(state: RouteState, intent: Intent | None = ASKS_NOTHING, **more: object) -> RouteView:
    more.setdefault("evidence", NO_EVIDENCE)
    return RouteView(ROUTE, state, intent, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "intent", "share"),
    [
        (CANARY, ASKS_20, 20),
        (CANARY, Intent(rollout=80, known=True), 50),  # clamped by what is proven
        (CANARY, None, 10),  # flags away: what was applied last
        (CANARY, UNREADABLE, 10),
        (LIVE, KILLED, 0),
        (RETIRED, KILLED, 100),
        (SHADOW, ASKS_20, 0),
    ],
)
def test_served_is_what_the_facade_serves(state, intent, share):
    assert served(state, intent) == share


@pytest.mark.parametrize(("intent", "shown"), [(None, "?"), (UNREADABLE, "?"), (ASKS_20, "20 %")])
def test_asked_is_a_question_mark_where_the_flags_cannot_be_read(intent, shown):
    assert asked(intent) == shown


WORST_FIRST = [
    view(CANARY, ASKS_20, evidence=NOT_READY),
    view(SHADOW, evidence=NOT_READY),
    view(LIVE, KILLED, evidence=READY),
    view(replace(SHADOW, hold=True), evidence=READY),
    view(SHADOW),
    view(LIVE, evidence=READY),
]


def test_what_hurts_users_comes_first_and_what_is_well_last():
    assert [severity(one) for one in WORST_FIRST] == [0, 1, 2, 3, 4, 5]
    assert worst_first(WORST_FIRST[::-1]) == WORST_FIRST


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (view(replace(SHADOW, hold=True, hold_reason="rolled back by anna")), "held: rolled back by anna"),
        (view(replace(SHADOW, hold=True)), "held by a person"),
        (view(SHADOW, held="flags ask 10 %, held at shadow"), "flags ask 10 %, held at shadow"),
        (view(SHADOW, gate=WAITS), "needs 300 more"),
        (view(CANARY, gate=PASSES, step="canary 50 %"), "the gate allows canary 50 %"),
        (view(CANARY, gate=PASSES, soak_left=27.2), "soaks: 27 s of 3600 s left"),
        (view(LIVE), "at the top of its ladder"),
    ],
)
def test_the_one_thing_to_know_is_told(one, said):
    assert sentence(one) == said


@pytest.mark.parametrize(
    ("one", "command"),
    [
        (view(SHADOW, None), "strangler flags lint"),
        (view(SHADOW, UNREADABLE), "strangler flags lint"),
        (view(CANARY, ASKS_20, evidence=NOT_READY), "strangler rollback catalog.show"),
        (view(SHADOW, evidence=NOT_READY), "strangler report catalog.show"),
        (view(replace(SHADOW, hold=True)), "strangler report catalog.show"),
        (view(LEGACY), "strangler shadow start catalog.show --sample 100"),
        (replace(view(LEGACY), route=replace(ROUTE, mirror=False)), "-"),
        (view(SHADOW, gate=WAITS), "strangler route get catalog.show --watch"),
        (view(SHADOW, gate=WAITS, top_finding="error at answer"), "strangler report catalog.show"),
        (view(SHADOW, gate=PASSES), "strangler advance catalog.show"),
        (view(CANARY, gate=PASSES, soak_left=1), "strangler route get catalog.show --watch"),
        (view(LIVE), "-"),
    ],
)
def test_every_row_ends_with_what_to_type_next(one, command):
    assert next_command(one) == command


@pytest.mark.parametrize(
    ("writes", "words"),
    [
        (None, "reads=shadow writes=legacy"),
        (SliceState("catalog", write_stage=WriteStage.SYNC), "reads=shadow writes=sync"),
        (
            SliceState("catalog", write_stage=WriteStage.SYNC, phase=SlicePhase.FLIPPING),
            "reads=shadow writes=sync (flipping)",
        ),
    ],
)
def test_both_ladders_are_always_told_together(writes: SliceState | None, words: str) -> None:
    assert view(SHADOW, writes=writes).stage == words


@pytest.mark.parametrize(
    ("writes", "words"),
    [
        (SliceState("catalog"), "writes go to legacy: capture is not installed"),
        (SliceState("catalog", write_stage=WriteStage.SYNC), "writes go to legacy (epoch 1)"),
        (
            SliceState("catalog", write_stage=WriteStage.SYNC, phase=SlicePhase.FLIPPING),
            "writes go to legacy (epoch 1), waits",
        ),
    ],
)
def test_a_route_that_writes_is_told_by_its_slice(writes: SliceState, words: str) -> None:
    route = Route("catalog", "buy", "POST", Template.parse("/p"), "catalog")
    seen = RouteView(route, LEGACY, ASKS_NOTHING, NO_EVIDENCE, writes=writes)
    assert sentence(seen) == words
    assert next_command(seen) == "strangler sync status catalog"
    alone = replace(seen, writes=None)
    assert next_command(alone) == "-"
