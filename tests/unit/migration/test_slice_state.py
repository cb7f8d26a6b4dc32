"""The row of a slice's writes: which rows there can be, and what a change, a flip and seats make of them."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from migration.core.plan import Side
from migration.core.slice_state import (
    SEAT_FRESH,
    Seat,
    SlicePhase,
    SliceState,
    all_idle,
    all_seen,
    changed_slice,
    fresh,
    settled,
    slice_values,
)
from migration.core.stages import WRITE_LADDER, WriteStage, writes_allowed
from migration.errors import LedgerConflict, LedgerError

W = WriteStage
EXTRACTED_WRITES = {W.FLIPPED, W.RETIRED}


def a_slice(stage: WriteStage = W.SYNC, **changes: Any) -> SliceState:
    side = Side.EXTRACTED if stage in EXTRACTED_WRITES else Side.LEGACY
    return SliceState(**({"slice": "orders", "write_stage": stage, "authority": side} | changes))


def a_seat(**changes: Any) -> Seat:
    values = {"facade": "one", "slice": "orders", "epoch": 1, "phase": SlicePhase.STEADY, "in_flight": 0}
    return Seat(**(values | {"at": 100.0, "version": 3} | changes))


@pytest.mark.parametrize(("stage", "side"), list(product(WRITE_LADDER, Side)))
def test_extracted_is_the_authority_from_flipped_on_and_never_before(stage: WriteStage, side: Side) -> None:
    if (stage in EXTRACTED_WRITES) == (side is Side.EXTRACTED):
        assert SliceState("orders", write_stage=stage, authority=side).authority is side
    else:
        with pytest.raises(ValueError, match="do not go with"):
            SliceState("orders", write_stage=stage, authority=side)


@pytest.mark.parametrize("changes", [{"epoch": -1}, {"version": -1}])
def test_nothing_is_counted_below_zero(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="not negative"):
        a_slice(**changes)


def test_what_a_row_says_about_its_stage_and_phase() -> None:
    assert [a_slice(stage).followed for stage in WRITE_LADDER] == [False, False, True, True, True, True]
    assert [a_slice(stage).extracted_writes for stage in WRITE_LADDER] == [False] * 4 + [True] * 2
    assert [a_slice(phase=phase).waits for phase in SlicePhase] == [False, False, True, True]


def change(before: SliceState | None, expected: int = 0, **changes: Any) -> SliceState:
    values: dict[str, Any] = {
        "write_stage": W.SYNC, "authority": Side.LEGACY, "epoch": 1, "phase": SlicePhase.STEADY,
        "hold_until": 0.0,
    }  # fmt: skip
    return changed_slice("orders", before, expected, **(values | changes))


@pytest.mark.parametrize(("start", "end"), list(product(WRITE_LADDER, WRITE_LADDER)))
def test_a_change_takes_the_steps_of_the_ladder_alone(start: WriteStage, end: WriteStage) -> None:
    before, to = a_slice(start), a_slice(end)
    if writes_allowed(start, end):
        after = change(before, write_stage=end, authority=to.authority)
        assert (after.write_stage, after.version) == (end, 1)
    else:
        with pytest.raises(LedgerError, match=f"from {start.value}:"):
            change(before, write_stage=end, authority=to.authority)


def test_a_change_of_a_row_that_is_none_or_another_is_refused() -> None:
    with pytest.raises(LedgerError, match="no slice orders"):
        change(None)
    with pytest.raises(LedgerConflict):
        change(a_slice(version=4), expected=3)
    with pytest.raises(LedgerError, match="contradicts itself"):
        change(a_slice(), authority=Side.EXTRACTED)


def test_epochs_only_rise_but_for_a_slice_that_was_abandoned() -> None:
    with pytest.raises(LedgerError, match="epochs only rise"):
        change(a_slice(epoch=5), epoch=4)
    assert change(a_slice(epoch=5), epoch=1, write_stage=W.LEGACY).epoch == 1


def test_the_audit_keeps_plain_values() -> None:
    assert slice_values(None) == {}
    values = slice_values(a_slice(W.FLIPPED, epoch=4))
    assert values == {
        "partition": "", "write_stage": "flipped", "authority": "extracted", "epoch": 4, "phase": "steady",
        "hold_until": 0.0, "version": 0,
    }  # fmt: skip
    assert {type(value) for value in values.values()} == {str, int, float}


@pytest.mark.parametrize(
    ("stage", "authority", "after"),
    [
        (W.SYNC, Side.EXTRACTED, W.FLIPPED),
        (W.REHEARSE, Side.EXTRACTED, W.FLIPPED),
        (W.FLIPPED, Side.LEGACY, W.SYNC),
        (W.FLIPPED, Side.EXTRACTED, W.FLIPPED),
        (W.RETIRED, Side.EXTRACTED, W.RETIRED),
        (W.SYNC, Side.LEGACY, W.SYNC),
        (W.REHEARSE, Side.LEGACY, W.REHEARSE),
        (W.CAPTURE, Side.LEGACY, W.CAPTURE),
    ],
)
def test_when_the_databases_have_decided_the_row_follows(
    stage: WriteStage, authority: Side, after: WriteStage
) -> None:
    state = settled(a_slice(stage, phase=SlicePhase.FLIPPING, hold_until=9.0), authority, 7)
    assert (state.write_stage, state.authority, state.epoch) == (after, authority, 7)
    assert (state.phase, state.hold_until) == (SlicePhase.STEADY, 0.0)


@pytest.mark.parametrize(
    ("seats", "seen", "idle"),
    [
        ([], True, True),
        ([a_seat()], True, True),
        ([a_seat(version=2)], False, False),
        ([a_seat(in_flight=1)], True, False),
        ([a_seat(), a_seat(facade="two", version=2)], False, False),
        ([a_seat(), a_seat(facade="gone", version=2, at=100.0 - SEAT_FRESH - 0.01)], True, True),
    ],
)
def test_facades_that_are_there_are_waited_for(seats: list[Seat], seen: bool, idle: bool) -> None:
    state = a_slice(version=3)
    assert (all_seen(seats, state, 100.0), all_idle(seats, state, 100.0)) == (seen, idle)


def test_a_seat_counts_for_as_long_as_it_is_fresh() -> None:
    assert fresh([a_seat()], 100.0 + SEAT_FRESH) == [a_seat()]
    assert fresh([a_seat()], 100.0 + SEAT_FRESH + 0.01) == []
