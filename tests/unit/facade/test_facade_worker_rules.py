"""What several workers share, when a dead one is replaced, when a silent one counts as dead."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facade.core.workers import GROWN_UP, Silence, deaths_in_a_row, pause_after, share_of
from tests.unit.facade.facade_builders import a_plan


def test_the_first_death_is_followed_at_once_and_a_series_of_young_ones_ever_later() -> None:
    deaths, pauses = 0, []
    for _ in range(6):
        deaths = deaths_in_a_row(deaths, 0.2)
        pauses.append(pause_after(deaths))
    assert pauses == [0.0, 0.1, 1.0, 5.0, 5.0, 5.0]


def test_a_worker_that_grew_up_makes_earlier_deaths_forgotten() -> None:
    assert deaths_in_a_row(7, GROWN_UP) == 1
    assert deaths_in_a_row(7, GROWN_UP - 0.1) == 8


@pytest.mark.parametrize(
    ("whole", "workers", "share"), [(100, 1, 100), (100, 4, 25), (10, 3, 4), (1, 8, 1), (2000, 256, 8)]
)
def test_limits_hold_for_all_workers_together_and_none_is_left_without(
    whole: int, workers: int, share: int
) -> None:
    plan = a_plan()
    plan = replace(plan, facade=replace(plan.facade, max_connections=whole, max_in_flight=whole))
    part = share_of(plan, workers)
    assert (part.facade.max_connections, part.facade.max_in_flight) == (share, share)
    assert (part.hash, part.facade.port) == (plan.hash, plan.facade.port)


def test_silence_is_counted_in_time_in_which_it_could_be_heard() -> None:
    silence = Silence(now=100.0, most=0.5)
    assert [silence.look(now) for now in (100.25, 100.5, 100.75)] == [0.25, 0.5, 0.75]
    assert silence.look(4000.0) == 1.25, "we stood still ourselves: of an hour half a second counts"
    silence.heard()
    assert silence.look(4000.25) == 0.25
