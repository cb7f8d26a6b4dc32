"""The ledger's row follows the databases, also where nobody is left to tell it."""

from __future__ import annotations

import pytest

from migration.adapters.memory import MemoryLedger
from migration.announce import OVER_BY, LedgerAnnouncer
from migration.core.slice_state import SlicePhase
from migration.errors import LedgerError
from sync.agreement import EVERY, Agreement
from sync.core.authority import Standing
from sync.core.values import Authority, Phase
from sync.errors import DatabaseAway

SLICE = "orders"
FLIPPED = Standing(legacy=Authority(1, Phase.CLOSED), extracted=Authority(2, Phase.OPEN))
STEADY = Standing(legacy=Authority(1, Phase.OPEN), extracted=Authority(0, Phase.CLOSED))
HALF_DONE = Standing(legacy=Authority(1, Phase.CLOSED), extracted=Authority(2, Phase.INTENT))


class _Both:
    """Two databases that say what they are told to say."""

    def __init__(self, standing: Standing | None) -> None:
        self.says, self.forgotten = standing, 0

    def standing(self) -> Standing:
        if self.says is None:
            raise DatabaseAway("it is away")
        return self.says

    def forget(self) -> None:
        self.forgotten += 1


class _World:
    def __init__(self, standing: Standing | None) -> None:
        self.ledger, self.now, self.told = MemoryLedger(), 1_000.0, list[str]()
        self.flipper = LedgerAnnouncer(self.ledger, SLICE, actor="killed", clock=lambda: self.now)
        self.both = _Both(standing)
        row = LedgerAnnouncer(self.ledger, SLICE, actor="sync", clock=lambda: self.now)
        self.agreement = Agreement(self.both, row, lambda _seconds: True, self.told.append)

    @property
    def phase(self) -> SlicePhase:
        return self.ledger.slices()[SLICE].phase


@pytest.mark.parametrize(("standing", "side", "epoch"), [(STEADY, "legacy", 1), (FLIPPED, "extracted", 2)])
def test_what_a_killed_flipper_left_is_mended_by_what_the_databases_say(
    standing: Standing, side: str, epoch: int
) -> None:
    world = _World(standing)
    world.flipper.announced()
    world.flipper.flipping()
    world.agreement.once()
    assert world.phase is SlicePhase.FLIPPING, "the flipper may be alive"
    world.now += OVER_BY
    world.agreement.once()
    row = world.ledger.slices()[SLICE]
    assert (row.phase, row.authority.value, row.epoch) == (SlicePhase.STEADY, side, epoch)
    assert world.told == [f"the ledger was told: {side} takes the writes, in epoch {epoch}"]
    world.agreement.once()
    assert len(world.told) == 1


@pytest.mark.parametrize("standing", [HALF_DONE, None])
def test_what_is_half_done_or_cannot_be_read_is_left_as_it_is(standing: Standing | None) -> None:
    world = _World(standing)
    world.flipper.announced()
    world.flipper.flipping()
    world.now += OVER_BY
    world.agreement.once()
    assert (world.phase, world.told) == (SlicePhase.FLIPPING, [])
    assert world.both.forgotten == (standing is None)


def test_a_ledger_that_is_away_is_tried_again_at_the_next_look() -> None:
    class _Away:
        def agree(self, authority: str, epoch: int) -> bool:
            raise LedgerError("away")

    both, told = _Both(STEADY), list[str]()
    Agreement(both, _Away(), lambda _seconds: True, told.append).once()
    assert told == []


def test_it_looks_until_it_is_told_to_stop_and_lets_go_then() -> None:
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        return len(waited) == 3

    world = _World(FLIPPED)
    row = LedgerAnnouncer(world.ledger, SLICE, actor="sync", clock=lambda: world.now)
    Agreement(world.both, row, wait, world.told.append).run()
    assert (waited, world.both.forgotten, len(world.told)) == ([EVERY] * 3, 1, 1)
