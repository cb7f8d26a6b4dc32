"""`bench.facade/1`: what was measured, as JSON."""

from __future__ import annotations

import statistics
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
    answered = extracted = eligible = tapped = 0.0
    for window in case.windows:
        counted = window.counted
        answered += sum(value for name, value in counted.items() if name.startswith("side."))
        extracted += counted.get("side.extracted", 0.0)
        eligible += counted.get("tap.eligible", 0.0)
        tapped += counted.get("tap.tapped", 0.0)
    return {
        "extracted_share": round(extracted / answered, 3) if answered else None,
        "tapped_share": round(tapped / answered, 3) if answered else None,
        "tap_dropped_share": round(1 - tapped / eligible, 4) if eligible else 0.0,
        "shadow_cpu_us_per_request": round(statistics.median(one.shadow_cpu for one in case.windows), 2),
    }
