"""`bench.facade/1`: what was measured, as JSON."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import Any

from bench.facade.field import Group
from bench.facade.rounds import Case

SCHEMA = "bench.facade/1"


def rows(group: Group) -> list[dict[str, Any]]:
    """One row for each case of a group, the references' too."""
    base = {case.name: case for case in group.cases if case.name in ("nginx", "envoy")}
    return [_row(case, base.get("nginx"), base.get("envoy")) for case in group.cases]


def _row(case: Case, nginx: Case | None, envoy: Case | None) -> dict[str, Any]:
    costs = [one.cpu for one in case.windows]
    row: dict[str, Any] = {
        "name": case.name,
        "routes": case.subject.routes or None,
        "body_bytes": case.ask.body,
        "method": case.ask.method,
        "new_targets": case.ask.fresh,
        "cpu_us_per_request": round(case.median, 2),
        "cpu_us_lowest": round(min(costs), 2),
        "cpu_us_highest": round(max(costs), 2),
        "rounds": len(costs),
        "ratio_to_nginx": _rounded(case.ratio_to(nginx)),
        "ratio_to_envoy": _rounded(case.ratio_to(envoy)),
        "p99_added_ms": None,
        "requests_per_second": round(statistics.median(one.rate for one in case.windows)),
    }
    return row | (_proof(case) if case.subject.routes else {})


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _proof(case: Case) -> dict[str, Any]:
    """That everything was on: whose answers they were, how many exchanges reached the shadow process."""
    total: Counter[str] = Counter()
    for window in case.windows:
        total.update(window.counted)
    answered = sum(value for name, value in total.items() if name.startswith("side."))
    tap = {
        name.removeprefix("tap."): round(value) for name, value in total.items() if name.startswith("tap.")
    }
    return {
        "extracted_share": _rounded(total["side.extracted"] / answered) if answered else None,
        "tapped_share": _rounded(tap.get("tapped", 0) / answered) if answered else None,
        "tap": {name: value for name, value in sorted(tap.items()) if value},
        "shadow_cpu_us_per_request": round(statistics.median(one.shadow_cpu for one in case.windows), 2),
    }
