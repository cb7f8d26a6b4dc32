"""The verdict in words: which of the conditions of design 3 hold, in the order in which they matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from migration.core.plan import EvidenceSettings
from shadow.core.count import ACCEPTED, EARLY, EXCUSED, LOST, MATCH, MISMATCH, UNDECIDED
from shadow.core.report import VerdictView, Word
from shadow.core.rows import CHANGING, CountRow
from shadow.core.verdict import (
    e_not_ready,
    e_ready,
    is_not_ready,
    is_ready,
    lower_bound,
    trials_needed,
    upper_bound,
)
from shadow.core.words import count_of, percent, seconds

_CLOSE_AFTER = 20.0  # trials times the limit: from there on more traffic seldom settles it
_DAY = 86_400.0
_CLOCKS_APART = 60.0  # seconds that two machines' clocks may differ
_LEAST_RATE_TIME = 60.0  # seconds of traffic below which no rate per day is told


@dataclass(frozen=True, slots=True)
class Case:
    """What the verdict is made from: the current count, its open confirmed breaking findings, the traffic."""

    count: CountRow | None
    confirmed: Sequence[str]  # "type items[*].id (3 trials)"
    eligible_per_tapped: float = 1.0


def judge(case: Case, limits: EvidenceSettings, now: float) -> VerdictView:
    """The verdict at `now` (epoch seconds)."""
    count = case.count
    n, k = (count.n, count.k) if count else (0, 0)
    word, sentences = _decide(case, limits, now)
    return VerdictView(
        word,
        sentences[0],
        tuple(sentences),
        _harm(case, limits),
        n,
        k,
        trials_needed(k, limits.p0, limits.alpha),
        max(0, trials_needed(k, limits.p0, limits.alpha) - n),
        e_ready(n, k, limits.p0),
        e_not_ready(n, k, limits.p0),
        limits.p0,
        limits.alpha,
        lower_bound(n, k, limits.alpha),
        upper_bound(n, k, limits.alpha),
    )


def _decide(case: Case, limits: EvidenceSettings, now: float) -> tuple[Word, list[str]]:
    count = case.count
    if count is None:
        return "INCONCLUSIVE", ["nothing was compared yet with these rules"]
    doubts = [*_dead(count), *_stale(count, limits, now)]
    if doubts:
        return "INCONCLUSIVE", doubts
    if is_not_ready(count.n, count.k, limits.p0, limits.alpha):
        return "NOT_READY", [_not_ready(count, limits)]
    doubts = [*_undecided(count, limits), *_unknown_build(count, limits)]
    if not is_ready(count.n, count.k, limits.p0, limits.alpha):
        return "INCONCLUSIVE", [*doubts, *_close(count, limits), _more(count, limits)]
    doubts += [*_confirmed(case), *_uncovered(count, limits), *_unproven(count)]
    if doubts:
        return "INCONCLUSIVE", doubts
    return "READY", [_ready(count, limits)]


def _trials(count: CountRow) -> str:
    return f"{count_of(count.n, 'trial')}, {count.k:,} mismatched"


def _ready(count: CountRow, limits: EvidenceSettings) -> str:
    return (
        f"fewer than {percent(limits.p0)} of answers differ ({_trials(count)}; at the limit this is "
        f"said wrongly at most {percent(limits.alpha)} of the time, however often you look)"
    )


def _not_ready(count: CountRow, limits: EvidenceSettings) -> str:
    return (
        f"more than {percent(limits.p0)} of answers differ ({_trials(count)}; at least "
        f"{percent(lower_bound(count.n, count.k, limits.alpha))})"
    )


def _more(count: CountRow, limits: EvidenceSettings) -> str:
    needed = trials_needed(count.k, limits.p0, limits.alpha)
    return (
        f"needs {needed - count.n:,} more trials without a mismatch ({_trials(count)} so far; READY at "
        f"{needed:,} for a limit of {percent(limits.p0)})"
    )


def _close(count: CountRow, limits: EvidenceSettings) -> list[str]:
    if count.n < _CLOSE_AFTER / limits.p0:
        return []
    low, high = lower_bound(count.n, count.k, limits.alpha), upper_bound(count.n, count.k, limits.alpha)
    sentence = (
        f"close to the limit: between {percent(low)} and {percent(high)} of answers differ (at any time); "
        "more traffic may not settle it: fix the largest finding, or change the limit"
    )
    return [sentence]


def _dead(count: CountRow) -> list[str]:
    injected, caught = int(count.detail["injected"]), int(count.detail["caught"])
    if caught >= injected:
        return []
    sentence = (
        f"the comparison cannot be trusted: of {injected:,} injected differences it caught {caught:,}; "
        "look for a rule that hides too much"
    )
    return [sentence]


def _unproven(count: CountRow) -> list[str]:
    if int(count.detail["injected"]) > 0:
        return []
    return ["no synthetic difference went through the comparison yet; one does within a minute of traffic"]


def _stale(count: CountRow, limits: EvidenceSettings, now: float) -> list[str]:
    age = now - (count.last_trial if count.last_trial is not None else count.last)
    if age < -_CLOCKS_APART:
        return [f"the last trial lies {seconds(-age)} ahead: a clock was wrong, so its age says nothing"]
    if age <= limits.max_age:
        return []
    return [
        f"the last trial is {seconds(age)} old, {seconds(limits.max_age)} is allowed ({_trials(count)} then)"
    ]


def unsettled(count: CountRow) -> tuple[int, int]:
    """Exchanges whose answer was known and that still say nothing, and all whose answer was known."""
    outcomes: Mapping[str, int] = count.detail["outcomes"]
    lost: Mapping[str, int] = count.detail["lost"]
    early = sum(number for reason, number in lost.items() if reason in EARLY)
    nothing = outcomes.get(EXCUSED, 0) + outcomes.get(UNDECIDED, 0) + outcomes.get(LOST, 0) - early
    said = outcomes.get(MATCH, 0) + outcomes.get(MISMATCH, 0) + outcomes.get(ACCEPTED, 0)
    return nothing, nothing + said


def _undecided(count: CountRow, limits: EvidenceSettings) -> list[str]:
    nothing, known = unsettled(count)
    undrawn = int(count.detail["undrawn"])
    sentences: list[str] = []
    if known and nothing / known > limits.p0 / 2:
        sentences.append(
            f"{nothing:,} of {known:,} exchanges were undecided or lost: {percent(nothing / known)} > "
            f"{percent(limits.p0 / 2)}, half the limit"
        )
    if undrawn and undrawn / (undrawn + count.n) > limits.p0 / 2:
        sentences.append(
            f"{undrawn:,} of {undrawn + count.n:,} sessions gave no trial, because the exchange drawn from "
            f"them was undecided or lost: {percent(undrawn / (undrawn + count.n))} > {percent(limits.p0 / 2)}"
        )
    return sentences


def _unknown_build(count: CountRow, limits: EvidenceSettings) -> list[str]:
    if count.key.build_old == CHANGING:
        return [
            "the build of a side changes all the time, so nobody knows what was compared: see build_header"
        ]
    if limits.build == "unknown" or (count.key.build_old and count.key.build_new):
        return []
    side = "legacy" if not count.key.build_old else "extracted"
    sentence = (
        f"{side} tells no build, so a deploy would go unnoticed: set its build_header, or "
        'evidence.build = "unknown", in the plan'
    )
    return [sentence]


def _confirmed(case: Case) -> list[str]:
    if not case.confirmed:
        return []
    named = "; ".join(case.confirmed[:3]) + ("; …" if len(case.confirmed) > 3 else "")
    found = count_of(len(case.confirmed), "confirmed breaking finding")
    return [f"few answers differ, but {found}: {named}; until a new build or rule starts a new count"]


def _uncovered(count: CountRow, limits: EvidenceSettings) -> list[str]:
    covered = count.last - count.first
    if covered >= limits.min_covered:
        return []
    return [f"{seconds(covered)} of traffic are covered, {seconds(limits.min_covered)} are asked for"]


def _harm(case: Case, limits: EvidenceSettings) -> str:
    count = case.count
    if count is None or count.n == 0:
        return "If you shift now: nobody knows how many answers would be wrong."
    upper = upper_bound(count.n, count.k, limits.alpha)
    lower = lower_bound(count.n, count.k, limits.alpha)
    if lower > limits.p0:  # surely harmful: an upper bound alone would sound like a perhaps
        return f"If you shift now: at least {lower * 10_000:,.0f} wrong answers in 10,000 (lower bound)."
    covered = count.last - count.first
    if covered < _LEAST_RATE_TIME:
        return f"If you shift now: at most {upper * 10_000:,.0f} wrong answers in 10,000 (upper bound)."
    daily = sum(count.detail["outcomes"].values()) * case.eligible_per_tapped / covered * _DAY
    return (
        f"If you shift now: at most {upper * daily:,.0f} wrong answers a day (upper bound {percent(upper)} "
        f"of about {daily:,.0f} answers a day)."
    )
