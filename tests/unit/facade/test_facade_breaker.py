"""The circuit breaker, the retry budget, admission and copies, by the clock that is given to them."""

from __future__ import annotations

import pytest

from facade.admission import Admission
from facade.copies import Copy, CopyBudget
from facade.core.breaker import Breaker, BreakerRules, Circuit
from facade.core.retry import RetryBudget
from facade.errors import Refused, UpstreamError

RULES = BreakerRules(
    in_a_row=3, window=10.0, window_calls=6, window_share=0.5, pause=1.0, max_pause=4.0, good_probes=2
)


def _opened() -> Breaker:
    breaker = Breaker(RULES)
    for _ in range(3):
        breaker.failed(0.0, 0.0)
    return breaker


def test_failures_in_a_row_open_it_and_a_success_between_does_not() -> None:
    breaker = Breaker(RULES)
    for failed in (True, True, False, True, True):
        breaker.failed(0.0, 0.0) if failed else breaker.succeeded(0.0)
    assert breaker.state is Circuit.CLOSED
    breaker.failed(0.0, 0.0)
    assert breaker.state is Circuit.OPEN
    assert not breaker.admits(0.5)


def test_half_of_a_windows_calls_open_it_but_not_those_of_long_ago() -> None:
    breaker = Breaker(RULES)
    for moment in range(3):
        breaker.succeeded(float(moment))
        breaker.failed(float(moment), 0.0)
    assert breaker.state is Circuit.OPEN
    slow = Breaker(RULES)
    for moment in range(0, 60, 6):
        slow.succeeded(float(moment))
        slow.failed(float(moment), 0.0)
    assert slow.state is Circuit.CLOSED


def test_one_probe_at_a_time_closes_it_again() -> None:
    breaker = _opened()
    assert breaker.admits(1.0)
    assert breaker.state is Circuit.HALF_OPEN
    assert not breaker.admits(1.0)
    breaker.succeeded(1.1)
    assert breaker.state is Circuit.HALF_OPEN
    assert breaker.admits(1.2)
    breaker.succeeded(1.3)
    assert breaker.state is Circuit.CLOSED
    assert breaker.admits(1.3)


def test_a_failed_probe_doubles_the_pause_up_to_its_limit() -> None:
    breaker, now = _opened(), 0.0
    for pause in (1.0, 2.0, 4.0, 4.0):
        assert not breaker.admits(now + pause - 0.01)
        now += pause
        assert breaker.admits(now)
        breaker.failed(now, 0.0)
        assert breaker.state is Circuit.OPEN


def test_jitter_spreads_the_probes() -> None:
    breaker = Breaker(RULES)
    for _ in range(3):
        breaker.failed(0.0, 1.0)
    assert not breaker.admits(1.1)
    assert breaker.admits(1.2)


def test_a_probe_without_a_word_does_not_block_the_next_one() -> None:
    breaker = _opened()
    assert breaker.admits(1.0)
    breaker.abandoned()
    assert breaker.admits(1.1)
    assert not breaker.admits(5.0)
    assert breaker.admits(11.2)


def test_late_news_does_not_reopen_an_open_circuit() -> None:
    breaker = _opened()
    breaker.failed(0.5, 0.0)
    breaker.succeeded(0.6)
    assert breaker.state is Circuit.OPEN


def test_retries_are_a_tenth_of_the_requests_after_a_burst() -> None:
    budget = RetryBudget()
    assert [budget.spend() for _ in range(11)] == [True] * 10 + [False]
    for _ in range(11):
        budget.earn()
    assert [budget.spend() for _ in range(2)] == [True, False]
    for _ in range(1000):
        budget.earn()
    assert sum(budget.spend() for _ in range(20)) == 10


def test_admission_is_bounded_in_all_and_per_backend() -> None:
    admission = Admission(lambda _: None)
    for _ in range(4):
        admission.enter(4)
    with pytest.raises(Refused) as refused:
        admission.enter(4)
    assert (refused.value.problem.status, refused.value.problem.retry_after) == (503, 1)
    for _ in range(3):
        admission.occupy("legacy", 4)
    with pytest.raises(UpstreamError, match="overloaded"):
        admission.occupy("legacy", 4)
    admission.occupy("catalog", 4)
    admission.leave(["legacy", "catalog"])
    assert (admission.in_flight, admission.per_upstream) == (3, {"legacy": 2, "catalog": 0})


def test_evidence_is_done_without_before_a_user_is() -> None:
    told: list[bool] = []
    admission = Admission(told.append)
    for _ in range(5):
        admission.enter(8)
    assert told == []
    for _ in range(2):
        admission.enter(8)
        admission.occupy("legacy", 8)  # six of its places are one backend's share
    assert told == [True]
    admission.leave(["legacy"])
    admission.leave(["legacy"])
    assert told == [True]
    admission.leave([])
    assert told == [True, False]
    admission.enter(8)
    assert told == [True, False], "between the two marks nothing changes"
    admission.enter(8)
    assert told == [True, False, True]
    alone: list[bool] = []
    Admission(alone.append).enter(1)
    assert alone == [], "one request is no load"


def test_copies_stay_within_their_route_and_their_common_budget() -> None:
    budget = CopyBudget(10)
    copy, large, late = Copy(6, budget), Copy(6, budget), Copy(6, budget)
    copy.add(b"abc")
    copy.add(b"def")
    large.add(b"1")
    large.add(b"234567")
    large.add(b"8")
    assert (large.lost, budget.used) == ("too_large", 6)
    late.add(b"12345")
    assert late.lost == "memory"
    assert copy.take() == b"abcdef"
    assert budget.used == 0
    copy.close()
    assert budget.used == 0
