"""Two people mend a half-done flip, one forwards and one back, each by a compare-and-set that succeeds.

Every interleaving of more actors: tests/unit/sync/test_authority_exploration.py, over the same decisions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from sync.core.flip import Goal, decide
from sync.core.values import Authority, Phase, Side
from sync.ports import Pair
from sync.relay import sessions
from tests.contract.side_databases import BANK, CLOSED, OPEN, SPEC, Banks

TEMPTING = "compare-and-set on each side's own authority row"
LOSES = "both sides are open, whoever goes first"


@pytest.fixture
def half_done(banks: Banks) -> Banks:
    """Legacy is closed, the service is about to open, and its flipper is gone."""
    banks.install()
    with closing(banks.legacy.session()) as legacy, closing(banks.extracted.session()) as extracted:
        assert legacy.swap(BANK, OPEN, Authority(1, Phase.CLOSED), 1.0)
        assert extracted.swap(BANK, CLOSED, Authority(2, Phase.INTENT), 1.0)
    return banks


def on_its_own_row(banks: Banks, goal: Goal) -> Iterator[None]:
    """Forwards: open the service. Back: open legacy again, under a new epoch. Nothing else is looked at."""
    side, was, new = {
        Goal.RESUME: (Side.EXTRACTED, Authority(2, Phase.INTENT), Authority(2, Phase.OPEN)),
        Goal.ABORT: (Side.LEGACY, Authority(1, Phase.CLOSED), Authority(3, Phase.OPEN)),
    }[goal]
    with closing(banks.on(side).session()) as session:
        yield
        session.swap(BANK, was, new, 1.0)
        yield


def on_the_followers_row(banks: Banks, goal: Goal) -> Iterator[None]:
    """What `sync.core.flip` decides from both rows: the follower's row says who has won."""
    with sessions(Pair(SPEC, banks.legacy.database, banks.extracted.database), str(goal)) as both:
        while True:
            decision = decide(both.standing(), goal, drained=True)
            yield
            if decision.swap is None:
                return
            both.on(decision.swap.side).swap(BANK, decision.swap.expected, decision.swap.new, 1.0)
            yield


@pytest.mark.parametrize("first", [Goal.RESUME, Goal.ABORT])
@pytest.mark.parametrize(
    ("way", "open_sides"),
    [pytest.param(on_its_own_row, 2, id="tempting"), pytest.param(on_the_followers_row, 1, id="ours")],
)
def test_both_have_looked_and_both_go_on(
    half_done: Banks, way: type[Iterator[None]], open_sides: int, first: Goal
) -> None:
    second = Goal.ABORT if first is Goal.RESUME else Goal.RESUME
    both = [way(half_done, first), way(half_done, second)]  # type: ignore[call-arg]
    while both:  # look, look, swap, swap, look, look, …
        both = [each for each in both if next(each, "ended") != "ended"]
    with closing(half_done.legacy.session()) as legacy, closing(half_done.extracted.session()) as extracted:
        rows = [legacy.authority(BANK), extracted.authority(BANK)]
    assert sum(row is not None and row.open for row in rows) == open_sides
