"""The ledger's rows of slices and seats: one contract in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.pool import NullPool

from migration.bootstrap import open_ledger
from migration.core.plan import Side
from migration.core.slice_state import Seat, SlicePhase, SliceState
from migration.core.stages import WriteStage
from migration.errors import LedgerConflict, LedgerError
from migration.ports import Ledger
from tests.contract.ledger_changes import A, change, entry

SLICE, OTHER = "orders", "stock"
STEADY, FLIPPING = SlicePhase.STEADY, SlicePhase.FLIPPING


def move(ledger: Ledger, name: str = SLICE, expected: int | None = None, **changes: Any) -> SliceState:
    """Change a row, by default to nothing but its next version."""
    state = ledger.slices().get(name, SliceState(name))
    names = ("write_stage", "authority", "epoch", "phase", "hold_until")
    values = {each: getattr(state, each) for each in names} | changes
    return ledger.change_slice(name, state.version if expected is None else expected, audit=entry(), **values)


def flipped(ledger: Ledger) -> SliceState:
    """A slice on its way up to flipped."""
    for stage in (WriteStage.CAPTURE, WriteStage.SYNC):
        move(ledger, write_stage=stage)
    return move(ledger, write_stage=WriteStage.FLIPPED, authority=Side.EXTRACTED, epoch=2)


def a_seat(**changes: Any) -> Seat:
    values = {"facade": "one", "slice": SLICE, "epoch": 1, "phase": STEADY, "in_flight": 0, "at": 100.0}
    return Seat(**(values | {"version": 0} | changes))


def test_slices_start_with_legacy_as_their_authority_in_the_first_epoch(ledger: Ledger) -> None:
    assert dict(ledger.slices()) == {}
    ledger.ensure_slices([SLICE, OTHER, SLICE])
    assert dict(ledger.slices()) == {SLICE: SliceState(SLICE), OTHER: SliceState(OTHER)}
    first = ledger.slices()[SLICE]
    assert (first.write_stage, first.authority, first.epoch, first.phase) == (
        WriteStage.LEGACY,
        Side.LEGACY,
        1,
        STEADY,
    )


def test_ensuring_slices_again_keeps_rows_and_version(ledger: Ledger) -> None:
    ledger.ensure_slices([SLICE])
    changed = move(ledger, phase=FLIPPING, hold_until=12.5)
    version = ledger.version()
    ledger.ensure_slices([SLICE])
    assert (ledger.slices()[SLICE], ledger.version()) == (changed, version)
    ledger.ensure_slices([SLICE, OTHER])
    assert ledger.slices()[SLICE] == changed
    assert ledger.version() > version


def test_a_changed_slice_is_read_back_whole_and_grows_the_version(ledger: Ledger) -> None:
    ledger.ensure_slices([SLICE])
    before = ledger.version()
    after = flipped(ledger)
    assert after == ledger.slices()[SLICE]
    assert after == SliceState(SLICE, "", WriteStage.FLIPPED, Side.EXTRACTED, 2, STEADY, 0.0, 3)
    assert type(ledger.slices()[SLICE].phase) is SlicePhase
    assert ledger.version() == before + 3


def test_the_audit_tells_of_a_slice_what_it_was_and_is(ledger: Ledger) -> None:
    ledger.ensure([A])
    ledger.ensure_slices([SLICE])
    move(ledger, phase=FLIPPING, hold_until=12.5)
    change(ledger)
    (row,) = ledger.audit(9, SLICE)
    assert (row.before["phase"], row.after["phase"], row.after["hold_until"]) == ("steady", "flipping", 12.5)
    assert row.entry == entry()
    assert [found.route for found in ledger.audit(9)] == [A, SLICE]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a leap": ({"write_stage": WriteStage.FLIPPED, "authority": Side.EXTRACTED}, "from legacy: capture"),
    "the wrong authority": ({"authority": Side.EXTRACTED}, "contradicts itself"),
    "a negative epoch": ({"epoch": -1}, "contradicts itself"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_change_of_a_slice_changes_nothing(ledger: Ledger, case: str) -> None:
    ledger.ensure_slices([SLICE])
    changes, words = REFUSED[case]
    version = ledger.version()
    with pytest.raises(LedgerError, match=words):
        move(ledger, **changes)
    assert (ledger.version(), ledger.audit(9), ledger.slices()[SLICE]) == (version, [], SliceState(SLICE))


def test_an_older_epoch_is_refused(ledger: Ledger) -> None:
    ledger.ensure_slices([SLICE])
    flipped(ledger)
    with pytest.raises(LedgerError, match="epoch 1 is older than 2"):
        move(ledger, epoch=1)


def test_a_slice_read_too_early_or_unknown_is_refused(ledger: Ledger) -> None:
    ledger.ensure_slices([SLICE])
    move(ledger, phase=FLIPPING)
    for expected in (0, 2):
        with pytest.raises(LedgerConflict):
            move(ledger, expected=expected, phase=STEADY)
    with pytest.raises(LedgerError, match="knows no slice nowhere"):
        move(ledger, "nowhere", expected=0)
    assert ledger.slices()[SLICE].phase is FLIPPING


def test_of_many_at_once_one_change_wins_each_version(ledger: Ledger) -> None:
    ledger.ensure_slices([SLICE])
    start, won = threading.Barrier(5), list[int]()

    def one() -> None:
        start.wait()
        while len(won) < 20:
            try:
                won.append(move(ledger, hold_until=float(len(won))).version)
            except LedgerError:  # a conflict, or a lock that was held too long: refused, so try again
                continue

    threads = [threading.Thread(target=one) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(1, len(won) + 1))
    assert len(ledger.audit(99, SLICE)) == len(won) == ledger.slices()[SLICE].version


def test_a_seat_is_taken_renewed_and_left_and_never_grows_the_version(ledger: Ledger) -> None:
    ledger.ensure_slices([SLICE])
    version = ledger.version()
    ledger.take_seat(a_seat())
    ledger.take_seat(a_seat(facade="two", phase=FLIPPING, in_flight=3, version=7, at=101.25))
    ledger.take_seat(a_seat(slice=OTHER))
    ledger.take_seat(a_seat(at=102.0, in_flight=1))
    assert ledger.seats(SLICE) == [
        a_seat(at=102.0, in_flight=1),
        a_seat(facade="two", phase=FLIPPING, in_flight=3, version=7, at=101.25),
    ]
    ledger.leave_seats("one")
    assert [seat.facade for seat in ledger.seats(SLICE)] == ["two"]
    assert ledger.seats(OTHER) == []
    assert ledger.version() == version


def test_seats_of_the_long_dead_are_swept_out(ledger_url: str) -> None:
    ledger = open_ledger(ledger_url, create=True)
    ledger.take_seat(a_seat(facade="killed", at=100.0))
    ledger.take_seat(a_seat(facade="alive", at=100.0 + 3_599))
    assert len(ledger.seats(SLICE)) == 2
    ledger.take_seat(a_seat(facade="alive", at=100.0 + 3_601))
    assert [seat.facade for seat in ledger.seats(SLICE)] == ["alive"]


@pytest.mark.parametrize("create", [True, False])
def test_an_older_ledger_gets_the_tables_that_it_lacks(ledger_url: str, create: bool) -> None:
    old = open_ledger(ledger_url, create=True)
    old.ensure([A])
    changed = change(old)
    old.close()
    with create_engine(ledger_url, poolclass=NullPool).begin() as connection:
        for table in ("slice_state", "seat"):
            connection.execute(text(f"DROP TABLE {table}"))
    ledger = open_ledger(ledger_url, create=create)
    ledger.ensure_slices([SLICE])
    ledger.take_seat(a_seat())
    assert (dict(ledger.slices()), len(ledger.seats(SLICE))) == ({SLICE: SliceState(SLICE)}, 1)
    assert (ledger.routes()[A], len(ledger.audit(9))) == (changed, 1)
    assert {"slice_state", "seat"} <= set(
        inspect(create_engine(ledger_url, poolclass=NullPool)).get_table_names()
    )


def test_a_slice_that_somebody_spoiled_is_told(ledger_url: str) -> None:
    ledger = open_ledger(ledger_url, create=True)
    ledger.ensure_slices([SLICE])
    engine = create_engine(ledger_url, poolclass=NullPool)
    for spoiled in ("authority = 'extracted'", "phase = 'odd'", "write_stage = 'up'"):
        with engine.begin() as connection:
            connection.execute(text(f"UPDATE slice_state SET {spoiled}"))
        with pytest.raises(LedgerError, match="contradicts itself"):
            ledger.slices()
