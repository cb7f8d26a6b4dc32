"""A report in few words: rounded so that it never promises more than was found."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from desk.report_words import bounds, match, numbers, per_cent, short_numbers


@dataclass
class Verdict:
    trials: int
    mismatched: int
    lower: float = 0.0
    upper: float = 1.0


@dataclass
class Traffic:
    current: dict[str, int] = field(default_factory=lambda: {"match": 890, "mismatch": 10, "lost": 5})


@dataclass
class Report:
    verdict: Verdict
    traffic: Traffic = field(default_factory=Traffic)


@pytest.mark.parametrize(
    ("trials", "mismatched", "shown"),
    [
        (343, 0, "100"),
        (100_000, 1, "99.99"),
        (3, 1, "66.66"),
        (50, 1, "98.00"),
        (83, 83, "0"),
        (9_999_999, 1, "99.99"),
    ],
)
def test_a_match_share_is_never_rounded_up(trials, mismatched, shown):
    assert match(Report(Verdict(trials, mismatched))) == shown


@pytest.mark.parametrize(
    ("lower", "upper", "shown"),
    [
        (0.0, 1.0, "0–100"),
        (0.93155, 0.99999, "0–6.85"),
        (0.0, 0.05954, "94.04–100"),
        (0.02, 0.03, "97.00–98.00"),
    ],
)
def test_bounds_are_rounded_outwards(lower, upper, shown):
    assert bounds(Report(Verdict(1, 0, lower, upper))) == shown


def test_numbers_tell_trials_and_exchanges_apart():
    report = Report(Verdict(343, 0, 0.0, 0.01))
    assert numbers(report) == "100 % match (99.00–100, any time; 343 trials of 900 exchanges)"
    assert short_numbers(report) == "100 % match, 343 trials"


def test_without_a_trial_nothing_is_claimed():
    report = Report(Verdict(0, 0))
    assert (numbers(report), short_numbers(report)) == ("no trial yet, 900 exchanges", "no trial yet")


@pytest.mark.parametrize(
    ("share", "shown"), [(0, "0"), (1, "100"), (0.000001, "0.01"), (0.9999999, "99.99"), (0.0713, "7.13")]
)
def test_a_share_is_never_rounded_to_all_or_nothing(share, shown):
    assert per_cent(share) == shown
