"""`bench.facade/1`: what was measured, as JSON, and what may not be missing from it."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bench.facade.field import FEW, Group
from bench.facade.load import LoadError
from bench.facade.ours import SHARE
from bench.facade.rounds import Case, Say
from bench.facade.traffic import SMALL

SCHEMA = "bench.facade/1"
_TOLERANCE = 0.08  # of the share of keys that extracted answers: a thousand keys do not divide evenly
_TAPPED = 0.98  # of what is to be tapped; else "full" is less than everything
_NUMBER = (int, float)
_COLUMNS: Mapping[str, tuple[type, ...]] = {
    "name": (str,),
    "routes": (int, type(None)),
    "body_bytes": (int,),
    "method": (str,),
    "new_targets": (bool,),
    "cpu_us_per_request": _NUMBER,
    "cpu_us_lowest": _NUMBER,
    "cpu_us_highest": _NUMBER,
    "rounds": (int,),
    "ratio_to_nginx": _NUMBER,
    "ratio_to_envoy": (*_NUMBER, type(None)),
    "p99_added_ms": (*_NUMBER, type(None)),
}
_NEEDED = tuple((name, routes, SMALL) for name in ("plain", "full") for routes in (50, 5000))

Row = dict[str, Any]


def rows(group: Group) -> list[Row]:
    """One row for each case of a group, the references' too."""
    base = {case.name: case for case in group.cases if case.name in ("nginx", "envoy")}
    few = {case.name: case for case in group.cases if case.subject.routes == FEW}
    return [
        _row(case, base.get("nginx"), base.get("envoy"))
        | {"ratio_to_50_routes": _rounded(case.ratio_to(few.get(case.name)))}
        for case in group.cases
    ]


def _row(case: Case, nginx: Case | None, envoy: Case | None) -> Row:
    costs = [one.cpu for one in case.windows]
    row = {
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
        "cores_used": round(statistics.median(one.rate * one.cpu / 1e6 for one in case.windows), 2),
    }
    return row | (_proof(case) if case.subject.routes else {})


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _counted(case: Case) -> Counter[str]:
    total: Counter[str] = Counter()
    for window in case.windows:
        total.update({name: round(value) for name, value in window.counted.items()})
    return total


def _answered(counted: Counter[str]) -> int:
    return sum(value for name, value in counted.items() if name.startswith("side."))


def _proof(case: Case) -> Row:
    """Whose answers they were, and what became of each exchange that was to be tapped."""
    counted = _counted(case)
    answered = max(1, _answered(counted))
    return {
        "extracted_share": round(counted["side.extracted"] / answered, 3),
        "tapped_share": round(counted["tap.tapped"] / answered, 3),
        "tap": {name[4:]: value for name, value in sorted(counted.items()) if name[:4] == "tap." and value},
        "shadow_cpu_us_per_request": round(statistics.median(one.shadow_cpu for one in case.windows), 2),
    }


def must_have_been_on(group: Group, say: Say) -> None:
    """LoadError when "everything on" was not, or "plain" was more than that."""
    for case in group.cases:
        if not case.subject.routes:
            continue
        counted = _counted(case)
        answered = max(1, _answered(counted))
        extracted, eligible = counted["side.extracted"] / answered, counted["tap.eligible"] / answered
        expected = (SHARE / 100, 1.0) if case.ask.route else (0.0, 0.0)
        if abs(extracted - expected[0]) > _TOLERANCE or abs(eligible - expected[1]) > _TOLERANCE:
            found = f"{extracted:.2f} by extracted, {eligible:.2f} to be tapped; not {expected}"
            raise LoadError(f"{case.subject.name}, {case.name}: it was not what is measured: {found}")
        tapped = counted["tap.tapped"] / max(1, counted["tap.eligible"])
        if case.name == "full" and tapped < _TAPPED:
            what = f"{tapped:.0%} of the exchanges were tapped"
            say(f"warning: {case.subject.name}: {what}; the others cost less")


def with_latency(cases: Sequence[Row], slowest: Row) -> list[Row]:
    """The rows of 50 routes and 1 KB with what they add to the 99th of a hundred answers."""
    return [case | {"p99_added_ms": _added(case, slowest)} for case in cases]


def _added(case: Row, slowest: Row) -> float | None:
    usual = (None, SMALL, "GET", False)
    asked = (case["routes"], case["body_bytes"], case["method"], case["new_targets"])
    if asked not in (usual, (50, *usual[1:])):
        return None
    found = slowest["added"].get(case["name"])
    return None if found is None else float(found["p99_ms"])


def problems(document: Row) -> list[str]:
    """What a document lacks to be one of `bench.facade/1`."""
    found = [] if document.get("schema") == SCHEMA else [f"the schema is {document.get('schema')!r}"]
    cases: list[Row] = document.get("cases") or []
    for at, case in enumerate(cases):
        for name, kinds in _COLUMNS.items():
            if not isinstance(case.get(name, ()), kinds):
                found.append(f"cases[{at}].{name} is {case.get(name)!r}")
    known = {(case.get("name"), case.get("routes"), case.get("body_bytes")) for case in cases}
    found += [f"there is no case {missing}" for missing in _NEEDED if missing not in known]
    found += [
        f"there is no {name}" for name in ("machine", "latency", "memory", "idle") if not document.get(name)
    ]
    return found
