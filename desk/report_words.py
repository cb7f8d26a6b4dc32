"""A route's report in the few words that a row of a table has room for."""

from __future__ import annotations

import math

from shadow.core.report import FindingView, RouteReport

_WORST = ("breaking", "behaviour", "order", "additive")


def numbers(report: RouteReport) -> str:
    """The match share with its bounds: "99.4 % match (98.1–99.9, any time; 343 trials of 900 exchanges)"."""
    verdict = report.verdict
    if not verdict.trials:
        return f"no trial yet, {compared(report):,} exchanges"
    of = f"{verdict.trials:,} trials of {compared(report):,} exchanges"
    return f"{match(report)} % match ({bounds(report)}, any time; {of})"


def short_numbers(report: RouteReport) -> str:
    """The same for a narrow column: "99.41 % match, 343 trials"."""
    trials = report.verdict.trials
    return f"{match(report)} % match, {trials:,} trials" if trials else "no trial yet"


def match(report: RouteReport) -> str:
    """The share of trials that matched, in per cent; never rounded up."""
    verdict = report.verdict
    return _written(_down(1 - verdict.mismatched / verdict.trials))


def bounds(report: RouteReport) -> str:
    """The time-uniform bounds of the match share, in per cent, rounded outwards."""
    verdict = report.verdict
    return f"{_written(_down(1 - verdict.upper))}–{_written(-_down(verdict.lower - 1))}"


def _down(share: float) -> float:
    # A hair above a round number is that number: 1 - 0.02 is 0.97999… in binary.
    return math.floor(share * 10_000 + 1e-9) / 100


def _written(value: float) -> str:
    return f"{value:.0f}" if value in (0, 100) else f"{value:.2f}"


def compared(report: RouteReport) -> int:
    """Exchanges of the present count that were compared."""
    return sum(report.traffic.current.get(name, 0) for name in ("match", "mismatch", "accepted"))


def per_cent(share: float) -> str:
    """A share 0..1 as per cent; never rounded up to a hundred or down to nothing."""
    value = 100 * share
    if value in (0, 100):
        return f"{value:.0f}"
    return f"{min(max(value, 0.01), 99.99):.2f}"


def worst_first(findings: tuple[FindingView, ...]) -> list[FindingView]:
    """By impact, then by how often."""
    rank = {name: at for at, name in enumerate(_WORST)}
    return sorted(findings, key=lambda one: (rank.get(one.impact, len(_WORST)), -one.exchanges))


def top_finding(report: RouteReport) -> str:
    """The worst finding, and how many others there are."""
    found = worst_first(report.findings)
    if not found:
        return ""
    more = f" (+{len(found) - 1} more)" if len(found) > 1 else ""
    return f"{found[0].kind} at {found[0].path}{more}"
