"""Every interleaving of flippers, recoverers, relays, writers and crashes, over the real decisions."""

from __future__ import annotations

import pytest

from sync.core.authority import Situation
from sync.core.flip import STEPS, Goal, Step
from sync.core.values import Side
from tests.unit.sync.exploration import Cast, Rules, Violation, explore

THERE = (Goal.FLIP, Side.EXTRACTED)
BACK = (Goal.FLIP, Side.LEGACY)
RESUME = (Goal.RESUME, None)
ABORT = (Goal.ABORT, None)
ENGINES = {"postgresql": Rules(), "sqlite": Rules(lease_is_locked=False)}
LOST = "an acknowledged write is missing on the authority"

# The numbers of states are exact: a model that shrinks unnoticed proves less than it says. (The large ones
# are `slow`: coverage would make minutes of them.)
CASTS = {
    "two flippers to the same side": (Cast((THERE, THERE)), {"postgresql": 24834, "sqlite": 24290}),
    "swaps torn between fence and row, resumed": (
        Cast((THERE, RESUME), tears=1),
        {"postgresql": 23618, "sqlite": 22665},
    ),
}
LARGE = {
    "there and back, two writers": (
        Cast((THERE, BACK), writers=2, writes=3),
        {"postgresql": 99226, "sqlite": 108670},
    ),
    "one resumes, one aborts": (Cast((THERE, RESUME, ABORT)), {"postgresql": 306222, "sqlite": 268278}),
    "swaps torn between fence and row, aborted": (
        Cast((THERE, ABORT), tears=2),
        {"postgresql": 40247, "sqlite": 34343},
    ),
    "there and back, two relays": (Cast((THERE, BACK), relays=2), {"postgresql": 84974, "sqlite": 379368}),
    "one aborts, one flips again": (
        Cast((THERE, ABORT, THERE), writes=1),
        {"postgresql": 934931, "sqlite": 1024775},
    ),
    "two abort": (Cast((THERE, ABORT, ABORT)), {"postgresql": 285186, "sqlite": 239872}),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CASTS)
def test_no_interleaving_opens_two_sides_or_loses_a_write(name: str, engine: str) -> None:
    cast, states = CASTS[name]
    assert explore(cast, ENGINES[engine]).states == states[engine]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", LARGE)
def test_no_interleaving_of_more_actors_does_either(name: str, engine: str) -> None:
    cast, states = LARGE[name]
    assert explore(cast, ENGINES[engine]).states == states[engine]


def nothing_is_refused(*_: object) -> str:
    return ""


ABORT_ON_OWN_ROW = {
    **STEPS,
    (Situation.CLOSED, Goal.ABORT): Step.REOPEN,
    (Situation.INTENT, Goal.ABORT): Step.REOPEN,
}
TWO_RELAYS = Cast((THERE,), relays=2)
CONTROLS = {
    "an abort that is a compare-and-set on the own side's row alone": (
        Rules(steps=ABORT_ON_OWN_ROW),
        Cast((THERE, ABORT)),
        "two open sides",
    ),
    "opening without taking the lease row": (Rules(opening_takes_the_lease=False), TWO_RELAYS, LOST),
    "a round that does not read the authority": (Rules(may_round=nothing_is_refused), TWO_RELAYS, LOST),
    "a direction that is configured": (
        Rules(direction_is_configured=True, may_round=nothing_is_refused),
        TWO_RELAYS,
        LOST,
    ),
    "SQLite: a round that is not looked at again when it applies": (
        Rules(lease_is_locked=False, lease_is_looked_at_again=False),
        TWO_RELAYS,
        LOST,
    ),
    "a close that does not wait for writers": (
        Rules(closing_waits=False),
        TWO_RELAYS,
        "a commit on a closed side",
    ),
    "a fence that is a plain read of the row": (
        Rules(fence_open=lambda _, row: row.open),
        TWO_RELAYS,
        "a commit on a closed side",
    ),
    "an intent without draining": (Rules(draining=False), TWO_RELAYS, LOST),
}


@pytest.mark.parametrize("tempting", CONTROLS)
def test_the_exploration_sees_each_tempting_way_fail(tempting: str) -> None:
    rules, cast, invariant = CONTROLS[tempting]
    with pytest.raises(Violation, match=invariant):
        explore(cast, rules, only=invariant)
