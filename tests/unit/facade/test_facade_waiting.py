"""Writes that wait in a worker: their order, their bounds, and what is reported, without a socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Generator

import pytest

from facade.core.decide import Decision, decide
from facade.core.writes import WriteView
from facade.errors import ClientGone, Refused
from facade.passage import Passage
from facade.writes import Writes
from migration.core.plan import FacadeSettings, Plan, Side, Slice
from migration.core.slice_state import SlicePhase
from tests.unit.facade.facade_builders import PROJECT, a_request, a_row, a_synced_plan, now
from tests.unit.facade.test_facade_decide import _asked

DAY = "2026-03-01"
LEGACY, EXTRACTED = Side.LEGACY, Side.EXTRACTED
P = SlicePhase


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
