"""Rolling a route back: the ledger first, and whatever else is away."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from migration.adapters.memory import MemoryFlags, MemoryLedger
from migration.core.stages import ReadStage
from migration.errors import LedgerError, Refused
from migration.rollback import rollback
from tests.unit.migration.a_desk import (
    ROUTE,
    BusyLedger,
    Desk,
    S,
    where,
)


@pytest.mark.parametrize(
    ("stage", "pct", "mirror", "to", "expected"),
    [
        (S.CANARY, 50, 25, 0, (S.SHADOW, 0, 0, True)),
        (S.CANARY, 50, 0, 0, (S.LEGACY, 0, 0, True)),
        (S.CANARY, 50, 25, 10, (S.CANARY, 10, 10, True)),
        (S.LIVE, 100, 25, 0, (S.SHADOW, 0, 0, True)),
        (S.LIVE, 100, 25, 50, (S.CANARY, 50, 50, True)),
        (S.RETIRED, 100, 0, 0, (S.LEGACY, 0, 0, True)),
        (S.SHADOW, 0, 25, 0, (S.SHADOW, 0, 0, True)),
        (S.LEGACY, 0, 0, 0, (S.LEGACY, 0, 0, True)),
    ],
)
async def test_a_rollback_lowers_ledger_and_flag_and_holds(
    stage: ReadStage, pct: int, mirror: int, to: int, expected: tuple[object, ...]
) -> None:
    desk = Desk(stage, pct, mirror)
    await desk.flags.set_rollout(ROUTE.flag, pct)
    done = await rollback(desk.ledger, desk.flags, ROUTE, to_pct=to, actor="anna", reason="errors", now=5.0)
    assert where(desk.state) == where(done.state) == expected
    assert desk.asked()[0] == to
    assert done.flag_error is None
    assert "held there" in done.sentence
    last = desk.ledger.audit(1)[0]
    assert (last.entry.actor, last.entry.action, last.entry.why) == ("anna", "rollback", "errors")
    assert desk.state.hold_reason == "rolled back by anna: errors"


async def test_a_rollback_succeeds_while_the_flag_source_is_away_and_says_so() -> None:
    desk = Desk(S.CANARY, 50, 25)
    desk.flags.broken = "the Unleash server does not answer"
    done = await rollback(desk.ledger, desk.flags, ROUTE, actor="anna", reason="errors", now=5.0)
    assert where(desk.state) == (S.SHADOW, 0, 0, True)
    assert done.flag_error == "the Unleash server does not answer"
    assert "the flag still asks for more" in done.sentence


@pytest.mark.parametrize(("pct", "to"), [(10, 50), (0, 1), (10, 101), (10, -1)])
async def test_a_rollback_is_no_way_to_raise(pct: int, to: int) -> None:
    desk = Desk(S.CANARY if pct else S.SHADOW, pct)
    with pytest.raises(Refused, match=r"shift|no share"):
        await rollback(desk.ledger, desk.flags, ROUTE, to_pct=to, actor="anna", reason="x", now=5.0)
    assert (desk.state.version, desk.flags.document["features"]) == (1, [])


async def test_a_rollback_never_raises_the_flag_above_what_was_served() -> None:
    desk = Desk(S.CANARY, 50, 25, applied_pct=1)
    await rollback(desk.ledger, desk.flags, ROUTE, to_pct=10, actor="anna", reason="x", now=5.0)
    assert desk.asked()[0] == 1


async def test_a_route_that_never_moved_has_nothing_to_roll_back() -> None:
    with pytest.raises(Refused, match="never moved"):
        await rollback(MemoryLedger(), MemoryFlags(float), ROUTE, actor="anna", reason="x", now=5.0)


class AwayLedger(MemoryLedger):
    """A database that does not answer."""

    def routes(self) -> Any:
        raise LedgerError("the ledger does not work")

    def ensure(self, route_ids: Iterable[str]) -> None:
        raise LedgerError("the ledger does not work")


async def test_rollback_and_shift_win_against_a_busy_conductor() -> None:
    desk = Desk(S.CANARY, 50, 25)
    desk.ledger.__class__ = BusyLedger
    await rollback(desk.ledger, desk.flags, ROUTE, actor="anna", reason="errors", now=5.0)
    assert where(desk.state) == (S.SHADOW, 0, 0, True)
    desk.ledger.times = 3  # type: ignore[attr-defined]
    await desk.shift(10)
    assert where(desk.state) == (S.CANARY, 10, 10, False)


@pytest.mark.parametrize("how", ["rollback", "shift"])
async def test_a_row_that_never_rests_is_told(how: str) -> None:
    desk = Desk(S.CANARY, 50, 25)
    desk.ledger.__class__ = BusyLedger
    desk.ledger.times = 1_000  # type: ignore[attr-defined]
    roll = rollback(desk.ledger, desk.flags, ROUTE, actor="anna", reason="errors", now=5.0)
    asked, other = (desk.shift(10), roll) if how == "shift" else (roll, desk.shift(10))
    other.close()
    with pytest.raises(LedgerError, match="changed meanwhile"):
        await asked


@pytest.mark.parametrize("flags_away", [True, False])
async def test_without_a_ledger_a_rollback_lowers_at_least_the_flag_and_fails_loudly(
    flags_away: bool,
) -> None:
    flags = MemoryFlags(float)
    flags.broken = "away too" if flags_away else None
    words = "could not be lowered either: away too" if flags_away else "was lowered to 0 %, but no hold"
    with pytest.raises(LedgerError, match=words):
        await rollback(AwayLedger(), flags, ROUTE, actor="anna", reason="errors", now=5.0)
    assert len(flags.document["features"]) == (0 if flags_away else 1)
