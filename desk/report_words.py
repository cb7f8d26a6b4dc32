"""A route's report in the few words that a row of a table has room for."""

from __future__ import annotations

from shadow.core.report import FindingView, RouteReport

_WORST = ("breaking", "behaviour", "order", "additive")


def numbers(report: RouteReport) -> str:
    """The match share with its bounds: "99.4 % match (98.1–99.9, any time; 343 trials of 900 exchanges)"."""
    verdict = report.verdict
    if not verdict.trials:
        return f"no trial yet, {compared(report):,} exchanges"
    match = per_cent(1 - verdict.mismatched / verdict.trials)
    low, high = per_cent(1 - verdict.upper), per_cent(1 - verdict.lower)
    of = f"{verdict.trials:,} trials of {compared(report):,} exchanges"
    return f"{match} % match ({low}–{high}, any time; {of})"


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
