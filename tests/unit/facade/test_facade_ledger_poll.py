"""The poll of the ledger, over the twin that is shipped for tests."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import pytest

from facade.adapters.ledger_poll import LedgerPoll
from facade.adapters.seats import Seats
from migration.adapters.memory import MemoryLedger
from migration.core.effective import RouteState
from migration.core.plan import Side
from migration.core.slice_state import SlicePhase, SliceState
from migration.core.stages import ReadStage, WriteStage
from migration.errors import LedgerError
from migration.ports import AuditEntry, Ledger

ROUTE = "catalog.show_product"


def a_ledger(changes: int) -> Ledger:
    """A ledger after `changes` changes of one route's mirrored share."""
    ledger = MemoryLedger()
    ledger.ensure([ROUTE])
    for number in range(changes):
        ledger.change(
            ROUTE, ledger.routes()[ROUTE].version, stage=ReadStage.SHADOW, cap_pct=0, applied_pct=0,
            mirror_pct=number, hold=False, hold_reason="", audit=AuditEntry("test", "shadow", "why", 1.0),
        )  # fmt: skip
    return ledger


class Heard:
    """What a poll told."""

    def __init__(self) -> None:
        self.all_rows: list[Mapping[str, RouteState]] = []
        self.all_slices: list[Mapping[str, SliceState]] = []

    def rows(self, rows: Mapping[str, RouteState]) -> None:
        self.all_rows.append(rows)

    def slices(self, slices: Mapping[str, SliceState]) -> None:
        self.all_slices.append(slices)


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_an_older_copy_of_the_ledger_is_not_followed() -> None:
    present, heard = [a_ledger(5)], Heard()
    delivered = heard.all_rows

    class Replaced:
        """Whatever stands in the ledger's place now."""

        def __getattr__(self, name: str) -> object:
            return getattr(present[0], name)

    poll = LedgerPoll(lambda: Replaced(), 0.001, heard, Seats("one"))  # type: ignore[arg-type, return-value]
    poll.start()
    try:
        until(lambda: delivered and poll.error is None)
        present[0] = a_ledger(2)
        until(lambda: poll.error is not None)
        assert "went back from version" in str(poll.error)
        assert [rows[ROUTE].mirror_pct for rows in delivered] == [4]
        present[0] = a_ledger(9)
        until(lambda: len(delivered) == 2)
        assert (delivered[1][ROUTE].mirror_pct, poll.error) == (8, None)
    finally:
        poll.stop()


SLICE = "orders"


def change_slice(ledger: Ledger, phase: SlicePhase, hold_until: float = 0.0) -> SliceState:
    row = ledger.slices()[SLICE]
    return ledger.change_slice(
        SLICE, row.version, write_stage=WriteStage.LEGACY, authority=Side.LEGACY, epoch=1, phase=phase,
        hold_until=hold_until, audit=AuditEntry("test", "flip", "why", 1.0),
    )  # fmt: skip


class Counting:
    """A ledger that counts how often it is asked for what."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.asked, self.seats_fail = ledger, Counter[str](), False

    def __getattr__(self, name: str) -> object:
        self.asked[name] += 1
        if name == "take_seat" and self.seats_fail:
            raise LedgerError("readonly")
        return getattr(self.ledger, name)


@pytest.fixture
def polled() -> Iterator[tuple[Counting, Heard, Seats, LedgerPoll]]:
    ledger = a_ledger(1)
    ledger.ensure_slices([SLICE])
    counting, heard, seats = Counting(ledger), Heard(), Seats("one")
    poll = LedgerPoll(lambda: counting, 0.1, heard, seats)  # type: ignore[arg-type, return-value]
    poll.start()
    until(lambda: heard.all_slices and poll.error is None)
    yield counting, heard, seats, poll
    poll.stop()
    poll._thread.join(5)


Polled = tuple[Counting, Heard, Seats, LedgerPoll]


def test_a_changed_slice_is_told_without_reading_every_route_again(polled: Polled) -> None:
    counting, heard, _, _ = polled
    assert (len(heard.all_rows), counting.asked["routes"]) == (1, 1)
    change_slice(counting.ledger, SlicePhase.ANNOUNCED)
    until(lambda: len(heard.all_slices) == 2)
    assert heard.all_slices[-1][SLICE].phase is SlicePhase.ANNOUNCED
    counting.ledger.ensure(["catalog.other"])
    change_slice(counting.ledger, SlicePhase.STEADY)
    until(lambda: len(heard.all_rows) == 2)
    assert "catalog.other" in heard.all_rows[-1]
    assert counting.asked["routes"] == 2


def test_while_a_flip_is_announced_the_ledger_is_asked_every_10_ms_until_it_must_be_over(
    polled: Polled,
) -> None:
    counting, heard, _, _ = polled
    change_slice(counting.ledger, SlicePhase.ANNOUNCED, time.time() + 60)
    until(lambda: len(heard.all_slices) == 2)
    before, began = counting.asked["version"], time.monotonic()
    until(lambda: counting.asked["version"] >= before + 20)
    assert time.monotonic() - began < 20 * 0.1, "as seldom as without a flip"
    change_slice(counting.ledger, SlicePhase.ANNOUNCED, time.time() - 1)
    until(lambda: len(heard.all_slices) == 3)
    before, began = counting.asked["version"], time.monotonic()
    until(lambda: counting.asked["version"] >= before + 5)
    assert time.monotonic() - began > 4 * 0.08


def test_what_was_taken_is_said_at_once_and_given_back_at_the_end(polled: Polled) -> None:
    counting, _, seats, poll = polled
    seats.want({SLICE: SliceState(SLICE, version=3, epoch=2)}, {SLICE: 4})
    until(lambda: counting.ledger.seats(SLICE))
    (seat,) = counting.ledger.seats(SLICE)
    assert (seat.facade, seat.version, seat.epoch, seat.in_flight) == ("one", 3, 2, 4)
    seats.want({SLICE: SliceState(SLICE, version=3, epoch=2)}, {})
    until(lambda: counting.ledger.seats(SLICE)[0].in_flight == 0)
    said = counting.asked["take_seat"]
    seats.want({SLICE: SliceState(SLICE, version=3, epoch=2)}, {})
    until(lambda: counting.asked["version"] > 20)
    assert counting.asked["take_seat"] == said, "the same seat is renewed every two seconds"
    poll.stop()
    poll._thread.join(5)
    assert counting.ledger.seats(SLICE) == []


def test_a_seat_is_renewed_before_it_is_stale() -> None:
    ledger, now = MemoryLedger(), [100.0]
    seats = Seats("one", lambda: now[0])
    seats.want({SLICE: SliceState(SLICE)}, {})
    seen = []
    for now[0] in (100.0, 101.9, 102.0, 103.0, 104.1):
        seats.say(ledger)
        seen.append(ledger.seats(SLICE)[0].at)
    assert seen == [100.0, 100.0, 102.0, 102.0, 104.1]


def test_a_ledger_that_takes_no_seats_is_still_read(polled: Polled) -> None:
    counting, heard, seats, poll = polled
    counting.seats_fail = True
    seats.want({SLICE: SliceState(SLICE)}, {})
    until(lambda: poll.seat_error == "readonly")
    change_slice(counting.ledger, SlicePhase.FLIPPING)
    until(lambda: len(heard.all_slices) == 2)
    assert poll.error is None
    counting.seats_fail = False
    until(lambda: poll.seat_error is None and counting.ledger.seats(SLICE))
