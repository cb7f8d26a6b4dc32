"""Writes of data that is kept in step: their side is the authority's, and while it changes they wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Generator
from typing import Any

import pytest

from facade.core.decide import Decision, Snapshot, decide
from facade.core.forward import forwarded_head
from facade.core.key import Key
from facade.core.writes import FULL, HOLDS, MOVING, UNKNOWN, Write, WriteView, known_states, leader
from facade.errors import ClientGone, Refused
from facade.passage import Passage
from facade.writes import Writes
from migration.core.flags import Intent
from migration.core.plan import FacadeSettings, Plan, Route, Side, Slice
from migration.core.slice_state import SlicePhase, SliceState
from migration.core.stages import ReadStage, WriteStage
from tests.unit.facade.facade_builders import PROJECT, a_plan, a_request, a_route, a_snapshot, at
from tests.unit.facade.test_facade_decide import _asked

DAY = "2026-03-01"
LEGACY, EXTRACTED = Side.LEGACY, Side.EXTRACTED
PLACE, SHOW, FORM = "catalog.place", "catalog.show", "catalog.form"
P = SlicePhase


def a_synced_plan(*more: Route, data: str = "sync", **changes: Any) -> Plan:
    """A slice with a write, a read, and a form's page that is paired with its write."""
    routes = (
        a_route("place", "POST /p", mirror=False),
        a_route("show", "GET /p/{id:int}"),
        a_route("form", "GET /form", pair="send"),
        a_route("send", "POST /form", mirror=False, pair="form"),
        *more,
    )
    part = Slice("catalog", "team", "catalog", data, routes)
    return a_plan(slices={"catalog": part}, **changes)


def a_row(side: Side = LEGACY, **changes: Any) -> dict[str, SliceState]:
    stage = WriteStage.FLIPPED if side is EXTRACTED else WriteStage.SYNC
    values: dict[str, Any] = {"slice": "catalog", "write_stage": stage, "authority": side, "epoch": 4}
    return {"catalog": SliceState(**(values | changes))}


def now(plan: Plan | None = None, slices: dict[str, SliceState] | None = None, **states: Any) -> Snapshot:
    known = a_row() if slices is None else slices
    return a_snapshot(plan or a_synced_plan(), states.get("states"), states.get("intents"), slices=known)


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


# Waiting


class _Wait:
    def __await__(self) -> Generator[None, None, None]:
        yield


class _Client:
    """Runs one write as a connection would: resumed by `wake`, and by its deadline on a clock of its own."""

    def __init__(self, world: _World, name: str) -> None:
        self._world, self.name = world, name
        self.outcome = ""
        self._running = self._again = False
        self._deadline = float("inf")
        self._flow = self._write()

    def now(self) -> float:
        return self._world.time

    def event(self, until: float) -> Awaitable[None]:
        self._deadline = until
        return _Wait()

    def wake(self) -> None:
        if self.outcome:
            return
        with contextlib.suppress(StopIteration):
            self._flow.send(None)

    def late(self) -> None:
        if self._deadline <= self._world.time:
            self.wake()

    def hang_up(self) -> None:
        with contextlib.suppress(StopIteration):
            self._flow.throw(ClientGone("gone"))

    async def _write(self) -> None:
        world = self._world
        request = a_request(method="POST", target="/p", plan=world.snapshot.plan)
        self.passage = Passage(
            self, world.snapshot, PROJECT, request, world.decide(), 0.0, 0.0  # type: ignore[arg-type]
        )  # fmt: skip
        try:
            await world.writes.enter(self.passage, world.again)
        except Refused as refused:
            self.outcome = refused.problem.code
        except ClientGone:
            self.outcome = "gone"
        else:
            self.outcome = f"sent {self.passage.side.value}"
            world.sent.append(self.name)


class _World:
    """The writes of one worker, and what it reports."""

    def __init__(self, plan: Plan | None = None, most_bytes: float = 64 * 1024 * 1024) -> None:
        self.plan = plan or a_synced_plan()
        self.time = 100.0
        self.writes = Writes(most_bytes)
        self.reports: list[tuple[str, int, int]] = []
        self.writes.report = lambda *told: self.reports.append(told)
        self.sent: list[str] = []
        self.stands()

    def stands(self, side: Side = LEGACY, phase: SlicePhase = P.STEADY, version: int = 1) -> None:
        self.snapshot = now(self.plan, a_row(side, phase=phase, version=version))
        self.writes.take(self.snapshot.writes)

    def decide(self) -> Decision:
        return decide(self.snapshot, _asked("/p", "POST"), DAY)

    def again(self, passage: Passage) -> None:
        passage.decide(self.snapshot, PROJECT, self.decide())

    def write(self, name: str = "one") -> _Client:
        client = _Client(self, name)
        client.wake()
        return client

    def leave(self, client: _Client) -> None:
        assert client.passage.write is not None
        self.writes.leave(client.passage.write)

    @property
    def waiting(self) -> int:
        return sum(waiting for _, _, waiting in self.writes.counts())


async def _turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_write_passes_at_once_and_counts_while_it_is_on_its_way() -> None:
    world = _World()
    client = world.write()
    assert (client.outcome, world.writes.counts()) == ("sent legacy", [("catalog", 1, 0)])
    world.leave(client)
    world.leave(client)
    assert (world.writes.counts(), world.reports) == ([("catalog", 0, 0)], [])
    assert client.passage.write is not None
    assert (client.passage.write.epoch, client.passage.write.epoch_after, client.passage.write.held) == (
        4,
        4,
        0,
    )


async def test_those_that_wait_go_on_in_their_order_and_none_overtakes_them() -> None:
    world = _World()
    world.stands(phase=P.FLIPPING, version=2)
    clients = [world.write(f"n{at}") for at in range(40)]
    assert (world.sent, world.waiting) == ([], 40)
    world.stands(EXTRACTED, version=3)
    assert 0 < len(world.sent) < 40, "others have their turn in between"
    clients.append(world.write("late"))
    assert clients[-1].outcome == ""
    await _turns()
    assert world.sent == [f"n{at}" for at in range(40)] + ["late"]
    assert {client.outcome for client in clients} == {"sent extracted"}
    assert world.writes.counts() == [("catalog", 41, 0)]


async def test_a_flip_that_begins_while_they_go_on_stops_the_rest_in_their_order() -> None:
    world = _World()
    world.stands(phase=P.FLIPPING, version=2)
    for at_ in range(40):
        world.write(f"n{at_}")
    world.stands(EXTRACTED, version=3)
    gone = len(world.sent)
    world.stands(EXTRACTED, phase=P.FLIPPING, version=4)
    await _turns()
    assert (len(world.sent), world.waiting) == (gone, 40 - gone)
    world.stands(version=5)
    await _turns()
    assert world.sent == [f"n{at_}" for at_ in range(40)]


async def test_who_has_waited_and_must_wait_again_keeps_its_place_and_its_time() -> None:
    world = _World()
    world.stands(phase=P.FLIPPING, version=2)
    first, second = world.write("first"), world.write("second")
    moving, steady = world.snapshot, now(world.plan, a_row(EXTRACTED, version=3))
    world.time = 101.0
    world.writes.take(steady.writes)  # set free, and decided on what says: wait
    assert (world.snapshot, world.waiting, world.sent) == (moving, 2, [])
    world.snapshot = steady
    world.writes.take(steady.writes)
    await _turns()
    assert world.sent == ["first", "second"]
    assert {first.outcome, second.outcome} == {"sent extracted"}


def test_the_last_one_on_its_way_is_reported_with_the_row_that_all_wait_for() -> None:
    world = _World()
    one, two = world.write("one"), world.write("two")
    world.stands(phase=P.ANNOUNCED, version=2)
    assert world.reports == []
    world.stands(phase=P.FLIPPING, version=3)
    assert world.reports == [("catalog", 3, 2)]
    world.leave(one)
    assert len(world.reports) == 1
    world.leave(two)
    assert world.reports[-1] == ("catalog", 3, 0)
    world.stands(phase=P.FLIPPING, version=4)
    assert world.reports[-1] == ("catalog", 4, 0)


def test_a_write_waits_for_its_hold_and_no_longer() -> None:
    world = _World()
    world.stands(phase=P.FLIPPING)
    client = world.write()
    for world.time, outcome in ((101.9, ""), (102.0, "moving")):
        client.wake()  # something happened, or its time has come
        assert client.outcome == outcome
    assert (world.waiting, world.writes.counts()) == (0, [("catalog", 0, 0)])
    assert client.passage.write is not None
    assert client.passage.write.held == pytest.approx(2.0)


def test_who_hangs_up_makes_room() -> None:
    world = _World()
    world.stands(phase=P.FLIPPING)
    one, two = world.write("one"), world.write("two")
    one.hang_up()
    assert (one.outcome, world.waiting) == ("gone", 1)
    world.stands(version=2)
    assert (two.outcome, world.sent) == ("sent legacy", ["two"])


@pytest.mark.parametrize(
    ("plan", "most_bytes", "room"),
    [(a_synced_plan(facade=FacadeSettings(max_in_flight=10)), 1e9, 5), (a_synced_plan(), 1_200_000, 3),
     (a_synced_plan(facade=FacadeSettings(max_in_flight=1)), 1.0, 1)],
)  # fmt: skip
def test_only_so_many_wait(plan: Plan, most_bytes: float, room: int) -> None:
    world = _World(plan, most_bytes)
    world.stands(phase=P.FLIPPING)
    clients = [world.write(str(number)) for number in range(room + 2)]
    assert [client.outcome for client in clients] == [""] * room + ["moving_full"] * 2
    assert world.waiting == room


def test_a_write_of_which_nobody_knows_the_authority_is_refused_at_once() -> None:
    world = _World()
    world.snapshot = now(world.plan, {})
    world.writes.take(world.snapshot.writes)
    client = world.write()
    assert (client.outcome, world.writes.counts()) == ("authority_unknown", [("catalog", 0, 0)])


def test_a_plan_that_no_longer_keeps_the_data_in_step_lets_those_go_that_wait() -> None:
    world = _World()
    world.stands(phase=P.FLIPPING)
    before = world.write("before")
    world.stands(version=2)
    client = world.write("waits no more")
    assert before.outcome == client.outcome == "sent legacy"
    world.stands(phase=P.FLIPPING, version=3)
    client = world.write("waits")
    world.plan = a_synced_plan(data="shared")
    world.stands(version=4)
    assert client.outcome == "sent legacy"
    assert client.passage.write is None
    world.leave(before)
    assert before.passage.write is not None
    assert before.passage.write.epoch_after == 0


def test_the_view_of_a_slice_that_nobody_knows_says_so() -> None:
    view = WriteView(Slice("catalog", "team", "catalog", "sync", hold=0.5), None)
    assert (view.side, view.waits, view.hold, view.why, view.moved) == (
        None,
        False,
        0.5,
        "authority unknown",
        True,
    )


def test_without_anybody_who_hears_reports_are_lost() -> None:
    writes = Writes(1.0)
    writes.take(now(slices=a_row(phase=P.FLIPPING)).writes)
    assert writes.counts() == [("catalog", 0, 0)]
