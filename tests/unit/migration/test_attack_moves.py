"""Moves that meet: whoever wanted less wins, whatever the order in which they arrive."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from migration.errors import Refused
from migration.rollback import rollback
from migration.shift import start_shadow
from tests.unit.migration.a_desk import ANNA, PART, READY, ROUTE, Desk, S, where

Move = Callable[[Desk], Awaitable[Any]]


class MetByARollback:
    """Flags that somebody rolls the route back behind, right after the first share was written to them."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.flags, self.done = desk, desk.flags, False

    async def set_rollout(self, flag: str, pct: int) -> None:
        await self.flags.set_rollout(flag, pct)
        if not self.done:
            self.done = True
            await rollback(self.desk.ledger, self.flags, ROUTE, actor="ben", reason="errors", now=1_000.5)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.flags, name)


async def _shift(desk: Desk) -> Any:
    return await desk.shift(50)


async def _advance(desk: Desk) -> Any:
    return await desk.advance()


async def _compare(desk: Desk) -> Any:
    return await start_shadow(
        desk.ledger, desk.flags, ROUTE, PART, sample=50, evidence=READY, person=ANNA, now=desk.now
    )


@pytest.mark.parametrize("held_before", [False, True])
@pytest.mark.parametrize("move", [_shift, _advance, _compare])
async def test_a_move_that_began_before_a_rollback_does_not_undo_it(move: Move, held_before: bool) -> None:
    desk = Desk(S.CANARY, 10, 25, hold=held_before, hold_reason="old" if held_before else "")
    await desk.flags.set_rollout(ROUTE.flag, 10)
    desk.flags = MetByARollback(desk)  # type: ignore[assignment]
    with pytest.raises(Refused, match="rolled back by ben: errors"):
        await move(desk)
    assert where(desk.state) == (S.SHADOW, 0, 0, True)
    assert desk.state.hold_reason == "rolled back by ben: errors"
    assert desk.asked()[0] == 0, "the flag asks for more than the rollback left"


async def test_comparing_again_raises_no_share_that_was_served() -> None:
    """Flags ask 5 % of the proven 50 %: were they lost now, 5 % must be served and not 50 %."""
    desk = Desk(S.CANARY, 50, 25, applied_pct=5)
    await _compare(desk)
    assert (desk.state.cap_pct, desk.state.applied_pct, desk.state.mirror_pct) == (50, 5, 50)
