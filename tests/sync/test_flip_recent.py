"""What a flip compares, and how long it waits for a follower that lags: little of it in the pause."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from sync.core.values import Side
from sync.errors import Refused
from sync.flip import flip
from sync.lag import LAG, measure
from sync.preflight import preflight
from sync.procedure import Patience
from sync.recent import bring_up, due, note, noted
from sync.relay import Sessions, sessions
from sync.rounds import Lane, Work, run_round
from sync.verify import verify
from tests.contract.side_databases import BANK, Bank, Banks, open_banks
from tests.sync.actors import in_step, pair_of
from tests.sync.test_flip_flow import write_past_the_fence


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def banks(request: pytest.FixtureRequest, tmp_path: Path) -> Banks:
    """Twenty accounts on legacy, everything applied and verified."""
    found = request.getfixturevalue("postgres_database") if request.param == "postgres" else None
    made = open_banks(request.param, tmp_path, found)
    for number in range(1, 21):
        made.legacy.account(number)
    in_step(made)
    return made


@pytest.fixture
def both(banks: Banks) -> Iterator[Sessions]:
    with sessions(pair_of(banks), "flipper") as found:
        yield found


def pay(bank: Bank, number: int, amount: int = 7) -> None:
    bank.write("UPDATE accounts SET balance = ? WHERE id = ?", amount, number)


def settle(both: Sessions) -> None:
    while run_round(both.lane(), Work()).marks:
        pass


def named(lane: Lane) -> set[int]:
    found = due(lane, (), bounded=True)
    assert found is not None
    return {int(str(key[0])) for key in found.get("account", {})}


# -- what is compared ------------------------------------------------------------------------------------


def test_a_row_that_is_on_its_way_does_not_hold_up_what_is_compared_before_the_pause(
    banks: Banks, both: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane, paused = both.lane(), list[float]()
    pay(banks.legacy, 3)
    settle(both)
    pay(banks.legacy, 3, 8)  # and no relay: it stays on its way
    with monkeypatch.context() as patched:
        patched.setattr("sync.verify.time", SimpleNamespace(sleep=paused.append, time=time.time))
        found, count = bring_up(lane)
    assert (found, sum(paused) < 1) == ([], True), paused
    assert count > 0
    assert named(lane) == set()
    settle(both)
    assert named(lane) == {3}


def test_what_rounds_changed_since_the_last_pass_is_due(banks: Banks, both: Sessions) -> None:
    lane = both.lane()
    assert noted(lane) > 0
    assert named(lane) == set()
    for number in (3, 5):
        pay(banks.legacy, number)
        settle(both)
    banks.legacy.write("DELETE FROM accounts WHERE id = 9")
    settle(both)
    assert named(lane) == {3, 5, 9}
    verify(lane)
    assert named(lane) == set()


def test_a_row_that_was_spoiled_after_the_last_pass_stops_the_flip_before_anybody_waits(
    banks: Banks, both: Sessions
) -> None:
    """It was applied rightly, acknowledged, and then somebody wrote past the fence: nothing is pending."""
    pay(banks.legacy, 3)
    settle(both)
    write_past_the_fence(banks.extracted, 3, 1)
    if banks.extracted.engine == "postgres":
        both.on(Side.EXTRACTED).restamp(BANK)
    with pytest.raises(Refused, match=r"1 proven difference: `strangler repair bank --all`"):
        flip(both, Side.EXTRACTED)
    assert str(both.standing()) == "legacy open in epoch 1, extracted closed in epoch 0"


def test_more_than_a_pause_has_room_for_takes_the_flip_back(
    banks: Banks, both: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.recent.FEW", 5)

    def write(step: str) -> None:
        if step == "flip.announce":
            for number in range(1, 10):
                pay(banks.legacy, number)

    done = flip(both, Side.EXTRACTED, step=write)
    assert not done.moved
    assert "keys have changed since they were compared" in done.sentence
    assert "legacy open" in str(both.standing())
    assert flip(both, Side.EXTRACTED).moved


def test_a_log_that_does_not_reach_back_is_made_good_by_what_was_applied(
    banks: Banks, both: Sessions
) -> None:
    log = "sf_log" if banks.extracted.engine == "sqlite" else "sf.log"
    for number in (3, 5):
        pay(banks.legacy, number)
        settle(both)
    # As if ten thousand lines had come since.
    banks.extracted.administrator.write(f"DELETE FROM {log} WHERE pos < (SELECT max(pos) FROM {log})")
    lane = both.lane()
    assert due(lane, (), bounded=True) is None
    assert due(lane, (), bounded=False) == {}
    done = flip(both, Side.EXTRACTED)
    assert done.moved
    assert done.compared == 2


def test_without_any_pass_there_is_nothing_to_go_on_from(banks: Banks, both: Sessions) -> None:
    lane = both.lane()
    log = "sf_log" if banks.extracted.engine == "sqlite" else "sf.log"
    for entity in lane.spec.entities:
        note(lane, entity.name, 0)
    banks.extracted.administrator.write(f"DELETE FROM {log} WHERE pos < (SELECT max(pos) FROM {log})")
    pay(banks.legacy, 3)
    settle(both)
    assert due(lane, [("account", (4,))], bounded=True) == {"account": {(4,): None}}
    assert flip(both, Side.EXTRACTED).moved


# -- how far behind --------------------------------------------------------------------------------------


def test_nothing_pending_is_no_lag(both: Sessions) -> None:
    assert measure(both.lane()).small


def test_where_nobody_relays_a_dry_run_says_so_and_a_flip_does_it(banks: Banks, both: Sessions) -> None:
    pay(banks.legacy, 3)
    found = preflight(both, Side.EXTRACTED)
    assert found.blockers == ()
    assert any("does `strangler run sync` run?" in each for each in found.warnings)
    assert flip(both, Side.EXTRACTED).moved


def test_a_backlog_is_refused_with_the_cure_after_a_while_and_it_is_told(
    banks: Banks, both: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.lag.FEW", 10)
    for number in range(1, 15):
        pay(banks.legacy, number)
    found = preflight(both, Side.EXTRACTED)
    assert any("more than 10 pending changes that nobody settles" in each for each in found.blockers)
    assert flip(both, Side.EXTRACTED).moved, "a flip works off what it can within its patience"


class _Slow:
    """A lane's rounds and looks on a clock of their own: each round takes `round` seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_follower_that_never_comes_near_is_refused_and_waited_for_no_longer_than_said(
    banks: Banks, both: Sessions
) -> None:
    """Somebody writes before each look, and each round takes half a second."""
    time = _Slow()
    lane = both.lane()
    numbers = iter(range(1, 10_000))

    def step(name: str) -> None:
        if name == "round.applied":
            pay(banks.legacy, next(numbers) % 20 + 1, 1)
            time.now += 0.5

    said: list[str] = []
    pay(banks.legacy, 3)
    slow = replace(lane, step=step)
    found = measure(slow, settle=True, patience=3.0, tell=said.append, sleep=time.sleep, clock=time.clock)
    assert not found.small
    assert found.best is not None
    assert found.best > 0.49 > LAG
    assert not found.harmless
    assert "at most 100 ms" in found.sentence
    assert len(said) == 1
    assert "until the follower has caught up" in said[0]
    assert 3.0 <= time.now < 5.0


@pytest.mark.slow
def test_a_flip_under_steady_writes_is_not_refused(banks: Banks, both: Sessions) -> None:
    """Somebody commits all the time, in transactions that stay open for longer than the lag may be."""
    stop = threading.Event()

    def write() -> None:
        turn = 0
        while not stop.is_set():
            connection = banks.legacy.application.connect()
            try:
                turn += 1
                if banks.legacy.engine == "postgres":
                    connection.execute("BEGIN")
                connection.execute(f"UPDATE accounts SET balance = {turn} WHERE id = {turn % 20 + 1}")
                if banks.legacy.engine == "postgres":
                    stop.wait(0.15)
                    connection.execute("COMMIT")
            except Exception:  # noqa: BLE001 - the fence, after the flip
                stop.wait(0.01)
            finally:
                connection.close()
            stop.wait(0.005)

    writers = [threading.Thread(target=write) for _ in range(2)]
    for each in writers:
        each.start()
    try:
        done = flip(both, Side.EXTRACTED, patience=Patience(close=10, drain=20))
    finally:
        stop.set()
        for each in writers:
            each.join()
    assert done.moved, done.sentence
    assert done.preflight is not None
    assert done.preflight.blockers == ()
