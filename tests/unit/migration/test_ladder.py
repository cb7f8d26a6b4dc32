"""The declared ladder: the next step, and the soak before it."""

from __future__ import annotations

import pytest

from migration.core.effective import RouteState
from migration.core.gate import Target
from migration.core.ladder import next_step, soak_left
from migration.core.stages import ReadStage
from tests.unit.migration.migration_builders import a_route, a_state

S = ReadStage


def canary(pct: int, **changes: object) -> RouteState:
    return a_state(stage=S.CANARY, cap_pct=pct, **changes)


@pytest.mark.parametrize(
    ("state", "steps", "target"),
    [
        (a_state(), (1, 10, 100), Target(S.SHADOW)),
        (a_state(stage=S.SHADOW), (1, 10, 100), Target(S.CANARY, 1)),
        (canary(1), (1, 10, 100), Target(S.CANARY, 10)),
        (canary(7), (1, 10, 100), Target(S.CANARY, 10)),
        (canary(10), (1, 10, 100), Target(S.CANARY, 100)),
        (canary(10), (1, 10), Target(S.CANARY, 100)),
        (canary(100), (1, 10, 100), Target(S.LIVE, 100)),
        (a_state(stage=S.LIVE, cap_pct=100), (1, 10), Target(S.RETIRED, 100)),
        (a_state(stage=S.RETIRED, cap_pct=100), (1, 100), None),
    ],
)
def test_the_next_step(state: RouteState, steps: tuple[int, ...], target: Target | None) -> None:
    assert next_step(a_route(canary=steps), state) == target


@pytest.mark.parametrize(
    ("state", "now", "left"),
    [
        (canary(10, since=1_000.0), 1_000.0, 600.0),
        (canary(10, since=1_000.0), 1_599.0, 1.0),
        (canary(10, since=1_000.0), 9_000.0, 0.0),
        (a_state(since=1_000.0), 1_000.0, 0.0),
    ],
)
def test_only_canary_steps_soak(state: RouteState, now: float, left: float) -> None:
    assert soak_left(a_route(soak=600.0), state, now) == left
