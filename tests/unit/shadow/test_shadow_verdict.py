"""The verdict's numbers, and why the obvious shortcuts approve what they must not."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shadow.core.verdict import (
    e_not_ready,
    e_ready,
    is_not_ready,
    is_ready,
    log_e_not_ready,
    log_e_ready,
    lower_bound,
    trials_needed,
    upper_bound,
)

# Design 3, "trials needed with 0, 1, 2 mismatches".
NEEDED = [
    (0.01, 0, 343),
    (0.01, 1, 764),
    (0.01, 2, 968),
    (0.001, 0, 3_437),
    (0.001, 1, 7_674),
    (0.001, 2, 9_716),
]


@pytest.mark.parametrize(("p0", "mismatches", "trials"), NEEDED)
def test_ready_comes_at_exactly_this_trial_and_not_one_earlier(
    p0: float, mismatches: int, trials: int
) -> None:
    assert trials_needed(mismatches, p0) == trials
    assert is_ready(trials, mismatches, p0)
    assert not is_ready(trials - 1, mismatches, p0)


def test_ready_does_not_latch() -> None:
    assert is_ready(343, 0, 0.01)
    assert not is_ready(344, 1, 0.01)


def test_one_mismatch_alone_is_never_not_ready() -> None:
    assert e_not_ready(1, 1, 0.001) > 20
    assert not is_not_ready(1, 1, 0.001)
    assert is_not_ready(24, 5, 0.01)


def test_the_literal_mirror_of_ready_would_never_say_not_ready() -> None:
    def mirrored(n: int, k: int, p0: float) -> float:
        return 1.0 / e_ready(n, k, p0)  # "READY is refuted when its e-value is small"

    # It also "refutes" where nothing was seen, so it can carry no error rate.
    assert mirrored(0, 0, 0.01) == 1.0
    assert mirrored(20, 1, 0.01) < mirrored(40, 4, 0.01)
    assert not is_not_ready(40, 1, 0.01)


def test_e_values_of_many_trials_do_not_overflow() -> None:
    assert math.isfinite(e_not_ready(100_000, 50_000, 0.01))
    assert e_ready(1_000_000, 500_000, 0.01) == 0.0
    assert log_e_ready(0, 0, 0.01) == pytest.approx(0.0)
    assert log_e_not_ready(0, 0, 0.01) == pytest.approx(0.0)
    assert math.isfinite(log_e_not_ready(10, 5, 0.6))


@given(st.integers(0, 400), st.integers(0, 20), st.sampled_from([0.01, 0.05]))
def test_a_trial_never_changes_the_e_value_in_expectation_at_the_limit(n: int, k: int, p0: float) -> None:
    # The martingale property that Ville's inequality needs.
    k = min(k, n)
    expected = p0 * e_ready(n + 1, k + 1, p0) + (1 - p0) * e_ready(n + 1, k, p0)
    assert expected == pytest.approx(e_ready(n, k, p0), rel=1e-9)
    expected = p0 * e_not_ready(n + 1, k + 1, p0) + (1 - p0) * e_not_ready(n + 1, k, p0)
    assert expected == pytest.approx(e_not_ready(n, k, p0), rel=1e-9)


# -- bounds ----------------------------------------------------------------------------------------


def test_the_bounds_are_where_the_verdicts_turn() -> None:
    assert upper_bound(343, 0) < 0.01 < upper_bound(342, 0)
    assert upper_bound(764, 1) < 0.01 < upper_bound(763, 1)
    assert lower_bound(0, 0) == lower_bound(10, 0) == 0.0
    assert is_not_ready(100, 20, lower_bound(100, 20) * 0.999)
    assert not is_not_ready(100, 20, lower_bound(100, 20) * 1.001)
    assert upper_bound(0, 0) > 0.999


@settings(max_examples=50)
@given(st.integers(1, 5000), st.integers(0, 50), st.booleans())
@example(n=300, others=1, differing_rare=False)  # the bound lies so near 1 that it rounds to it
@example(n=300, others=0, differing_rare=False)
def test_what_was_seen_lies_between_the_bounds(n: int, others: int, differing_rare: bool) -> None:
    k = min(others, n) if differing_rare else max(n - others, 0)
    assert lower_bound(n, k) <= k / n <= upper_bound(n, k)


# -- negative controls -----------------------------------------------------------------------------


def _wilson_upper(n: int, k: int) -> float:
    z, share = 1.645, k / n
    middle, spread = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (middle + spread) / (1 + z * z / n)


def _approved(seed: int, p0: float, trials: int) -> tuple[bool, bool]:
    """Whether a watched Wilson bound, and READY, ever approve a route that is exactly at the limit."""
    chance, k, wilson, ready = random.Random(seed), 0, False, False
    first = trials_needed(0, p0)
    for n in range(1, trials + 1):
        k += chance.random() < p0
        wilson = wilson or _wilson_upper(n, k) < p0
        ready = ready or (n >= first and k / n < p0 and is_ready(n, k, p0))
    return wilson, ready


def test_watching_a_fixed_bound_until_it_passes_approves_wrongly_and_ready_does_not() -> None:
    runs = [_approved(seed, 0.1, 600) for seed in range(200)]
    wilson, ready = (sum(each[which] for each in runs) / len(runs) for which in (0, 1))
    assert wilson > 0.20, wilson
    assert ready < 0.11, ready  # at most 5 % and four standard errors of 200 runs


def _repeating_session(chance: random.Random, p0: float) -> list[bool]:
    """Views of one visitor, who looks at the same few things again and again: all of them differ, or none."""
    return [chance.random() < p0] * chance.randrange(1, 20)


def _approved_by_sessions(seed: int, p0: float, sessions: int) -> tuple[bool, bool]:
    chance = random.Random(seed)
    all_n = all_k = n = k = 0
    by_all = by_trials = False
    for _ in range(sessions):
        views = _repeating_session(chance, p0)
        for differs in views:
            all_n, all_k = all_n + 1, all_k + differs
        by_all = by_all or is_ready(all_n, all_k, p0)
        n, k = n + 1, k + chance.choice(views)
        by_trials = by_trials or is_ready(n, k, p0)
    return by_all, by_trials


def test_counting_every_exchange_approves_far_too_often_and_one_per_session_does_not() -> None:
    runs = [_approved_by_sessions(seed, 0.1, 200) for seed in range(150)]
    by_all, by_trials = (sum(each[which] for each in runs) / len(runs) for which in (0, 1))
    assert by_all > 0.35, by_all
    assert by_trials < 0.12, by_trials  # at most 5 % and four standard errors of 150 runs


# -- exact -----------------------------------------------------------------------------------------


def _exact_ready(p0: float, horizon: int) -> float:
    """P(READY is ever said) at the limit: dynamic programming over (n, k), looked at after every trial."""
    alive = {0: 1.0}  # k → probability of never having been READY
    said = 0.0
    passes = 0  # the greatest k that is READY at n; it only grows
    for n in range(1, horizon + 1):
        following: dict[int, float] = {}
        for k, mass in alive.items():
            following[k] = following.get(k, 0.0) + mass * (1 - p0)
            following[k + 1] = following.get(k + 1, 0.0) + mass * p0
        while n >= trials_needed(passes, p0):
            passes += 1
        for k in [k for k in following if k < passes]:
            said += following.pop(k)
        alive = {k: mass for k, mass in following.items() if mass > 1e-15}
    return said


# P(READY) at the limit grows with the horizon for ever, and stays below alpha (Ville's inequality).
EXACT = [(0.01, 20_000, 0.0466), (0.01, 40_000, 0.0479), (0.001, 200_000, 0.0469)]


@pytest.mark.slow
@pytest.mark.parametrize(("p0", "horizon", "expected"), EXACT)
def test_ready_at_the_limit_is_said_wrongly_in_less_than_5_per_cent(
    p0: float, horizon: int, expected: float
) -> None:
    assert _exact_ready(p0, horizon) == pytest.approx(expected, abs=0.0001)
