"""A flip told to the facades through the ledger, on a clock that moves only when somebody sleeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from migration import announce
from migration.adapters.memory import MemoryLedger
from migration.announce import LedgerAnnouncer
from migration.core.plan import Side
from migration.core.slice_state import Seat, SlicePhase, SliceState
from migration.core.stages import WriteStage
from migration.errors import LedgerConflict, LedgerError
from migration.ports import AuditEntry

SLICE = "orders"


class _Clock:
    """Seconds that pass while somebody sleeps; `meanwhile` is what the others do then."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.meanwhile: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()


class _Facade:
    """Takes its seat `late` seconds after each change, with writes on their way for `busy` seconds more."""

    def __init__(self, ledger: MemoryLedger, clock: _Clock, late: float = 0.1, busy: float = 0.0) -> None:
        self.ledger, self.clock, self.late, self.busy = ledger, clock, late, busy
        self._version, self._since = -1, clock.now

    def look(self) -> None:
        row = self.ledger.slices()[SLICE]
        if row.version != self._version:
            self._version, self._since = row.version, self.clock.now
        passed = self.clock.now - self._since
        if passed >= self.late:
            busy = row.phase is SlicePhase.FLIPPING and passed < self.late + self.busy
            self.ledger.take_seat(
                Seat("one", SLICE, row.epoch, row.phase, int(busy), self.clock.now, row.version)
            )


def _told(late: float = 0.1, busy: float = 0.0) -> tuple[LedgerAnnouncer, MemoryLedger, _Clock]:
    ledger, clock = MemoryLedger(), _Clock()
    ledger.ensure_slices([SLICE])
    facade = _Facade(ledger, clock, late, busy)
    facade.look()
    clock.meanwhile = facade.look
    ledger.take_seat(Seat("one", SLICE, 1, SlicePhase.STEADY, 0, clock.now, 0))
    return LedgerAnnouncer(ledger, SLICE, actor="anna", clock=clock, sleep=clock.sleep), ledger, clock


def _row(ledger: MemoryLedger) -> SliceState:
    return ledger.slices()[SLICE]


def _raise(ledger: MemoryLedger, *stages: WriteStage) -> None:
    for stage in stages:
        row = _row(ledger)
        ledger.change_slice(
            SLICE, row.version, write_stage=stage, authority=row.authority, epoch=row.epoch, phase=row.phase,
            hold_until=0.0, audit=AuditEntry("a", "b", "c", 1.0),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("late", "waited"),
    [(0.1, announce.NOTICE), (0.7, 0.7), (9.0, announce.SEEN_BY)],
    ids=["the notice is given whole", "a slow facade is waited for", "but not for ever"],
)
def test_an_announcement_waits_for_the_facades_that_are_there(late: float, waited: float) -> None:
    told, ledger, clock = _told(late)
    told.announced()
    assert _row(ledger).phase is SlicePhase.ANNOUNCED
    assert _row(ledger).hold_until == clock.now + announce.OVER_BY
    began = clock.now
    assert told.wait_until_seen() == 1
    assert clock.now - began == pytest.approx(waited, abs=0.02)


@pytest.mark.parametrize(
    ("busy", "idle", "waited"), [(0.0, True, 0.1), (0.4, True, 0.5), (5.0, False, announce.IDLE_BY)]
)
def test_writes_on_their_way_are_waited_for_but_not_for_ever(busy: float, idle: bool, waited: float) -> None:
    told, ledger, clock = _told(0.1, busy)
    told.announced()
    told.wait_until_seen()
    told.flipping()
    began = clock.now
    assert told.wait_until_idle() is idle
    assert clock.now - began == pytest.approx(waited, abs=0.02)
    assert _row(ledger).phase is SlicePhase.FLIPPING


def test_without_a_facade_nobody_is_waited_for() -> None:
    ledger, clock = MemoryLedger(), _Clock()
    told = LedgerAnnouncer(ledger, SLICE, actor="anna", clock=clock, sleep=clock.sleep)
    ledger.take_seat(Seat("killed", SLICE, 1, SlicePhase.STEADY, 3, clock.now - 60, 0))
    told.announced()
    assert told.wait_until_seen() == 0
    told.flipping()
    assert told.wait_until_idle()
    assert clock.now == 1_000.0


@pytest.mark.parametrize("stages", [(), (WriteStage.CAPTURE,), (WriteStage.CAPTURE, WriteStage.SYNC)])
def test_the_row_ends_where_the_databases_are_however_far_it_lagged_behind(
    stages: tuple[WriteStage, ...],
) -> None:
    told, ledger, _ = _told()
    _raise(ledger, *stages)
    told.flipping()
    told.steady("extracted", 2)
    row = _row(ledger)
    assert (row.write_stage, row.authority, row.epoch) == (WriteStage.FLIPPED, Side.EXTRACTED, 2)
    assert (row.phase, row.hold_until) == (SlicePhase.STEADY, 0.0)
    told.steady("legacy", 3)
    assert (_row(ledger).write_stage, _row(ledger).authority) == (WriteStage.SYNC, Side.LEGACY)


def test_a_flip_that_was_given_up_ends_where_it_began_in_its_epoch() -> None:
    told, ledger, _ = _told()
    _raise(ledger, WriteStage.CAPTURE, WriteStage.SYNC)
    told.announced()
    told.steady("legacy", 1)
    row = _row(ledger)
    assert (row.phase, row.write_stage, row.epoch) == (SlicePhase.STEADY, WriteStage.SYNC, 1)


def test_a_row_that_a_killed_flipper_left_behind_is_mended_once_its_flip_must_be_over() -> None:
    told, ledger, clock = _told()
    _raise(ledger, WriteStage.CAPTURE, WriteStage.SYNC)
    told.flipping()
    assert not told.agree("legacy", 1), "the flip may be alive, and about to close the fence"
    clock.now += announce.OVER_BY
    assert told.agree("legacy", 1)
    assert _row(ledger).phase is SlicePhase.STEADY
    version = ledger.version()
    assert not told.agree("legacy", 1)
    assert ledger.version() == version


@pytest.mark.parametrize(("authority", "epoch"), [("extracted", 2), ("legacy", 3)])
def test_a_steady_row_that_says_otherwise_than_the_databases_is_mended_at_once(
    authority: str, epoch: int
) -> None:
    told, ledger, _ = _told()
    _raise(ledger, WriteStage.CAPTURE, WriteStage.SYNC)
    assert told.agree(authority, epoch)
    assert (_row(ledger).authority.value, _row(ledger).epoch) == (authority, epoch)


def test_the_audit_tells_who_flips() -> None:
    told, ledger, _ = _told()
    told.announced()
    told.flipping()
    (second, first) = ledger.audit(9, SLICE)
    assert (first.entry.actor, first.entry.action) == ("anna", "announced legacy")
    assert (second.entry.why, second.entry.action) == ("flip", "flipping legacy")


class _Contended(MemoryLedger):
    """Somebody else changes the row before each of the first `times` changes."""

    times = 0

    def change_slice(self, slice_name: str, expected_version: int, **values: object) -> SliceState:  # type: ignore[override]
        if self.times:
            self.times -= 1
            raise LedgerConflict("it was changed meanwhile")
        return super().change_slice(slice_name, expected_version, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(("times", "told"), [(3, True), (99, False)])
def test_a_change_that_lost_is_tried_again_a_few_times(times: int, told: bool) -> None:
    ledger, clock = _Contended(), _Clock()
    announcer = LedgerAnnouncer(ledger, SLICE, actor="anna", clock=clock, sleep=clock.sleep)
    ledger.times = times
    if told:
        announcer.announced()
        assert _row(ledger).phase is SlicePhase.ANNOUNCED
    else:
        with pytest.raises(LedgerConflict):
            announcer.announced()


def test_a_slice_that_nobody_announced_is_not_known() -> None:
    with pytest.raises(LedgerError, match="knows no slice orders"):
        LedgerAnnouncer(MemoryLedger(), SLICE, actor="anna").flipping()
