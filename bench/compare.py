"""`python -m bench.compare`: what deciding "equal or not" costs, ours and DeepDiff's in one run, as JSON.

CPU time, in rounds, ours and DeepDiff's in turns, so that what else the machine does meets both alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from deepdiff import DeepDiff

from shadow.compare import compare_bodies
from shadow.core.rules import compile_rules
from shadow.core.walk import Budgets

_RULES = compile_rules((), ZoneInfo)


@dataclass(frozen=True)
class Case:
    """Two bodies and the goal of design 3 in milliseconds (None: no goal was set)."""

    name: str
    old: bytes
    new: bytes
    outcome: str
    goal: float | None = None


def _rows(size: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while len(orjson.dumps(rows)) < size:
        rows += [_row(at) for at in range(len(rows), len(rows) + 10)]
    return rows


def _row(at: int) -> dict[str, Any]:
    price = round(19.99 + at, 2)
    return {"id": at, "sku": f"SKU-{at:06}", "name": f"Blaue Tasse {at}", "price": price, "tags": ["a", "b"]}


def _cases() -> list[Case]:
    found: list[Case] = []
    for size, goal in ((10_000, 0.2), (100_000, 2.5), (1_000_000, 40.0)):
        rows = _rows(size)
        old = orjson.dumps({"items": rows})
        changed = [*rows[:-3], {**rows[-3], "price": 0.5}, *rows[-2:]]
        inserted = [{"id": -1}, *rows]
        name = f"{size // 1000:,} KB"
        found += [
            Case(
                f"{name}, equal bytes", old, bytes(bytearray(old)), "match", 0.06 if size == 10_000 else None
            ),
            Case(f"{name}, equal, keys in another order", old, _reordered(rows), "match"),
            Case(f"{name}, one field differs", old, orjson.dumps({"items": changed}), "mismatch", goal),
            Case(f"{name}, one row inserted on top", old, orjson.dumps({"items": inserted}), "mismatch"),
        ]
    return found


def _reordered(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps({"items": [dict(reversed(row.items())) for row in rows]}).encode()


def _ours(case: Case) -> str:
    return compare_bodies(case.old, case.new, _RULES, Budgets()).outcome


def _theirs(case: Case) -> str:
    return "mismatch" if DeepDiff(orjson.loads(case.old), orjson.loads(case.new)) else "match"


def _milliseconds(work: Callable[[Case], str], case: Case) -> float:
    began = time.thread_time()
    outcome = work(case)
    taken = (time.thread_time() - began) * 1000
    if outcome != case.outcome:
        raise SystemExit(f"{case.name}: {outcome}, not {case.outcome}")
    return taken


def _measured(case: Case, rounds: int) -> dict[str, Any]:
    _milliseconds(_ours, case)
    ours, theirs = [], []
    for turn in range(rounds):
        ours += [_milliseconds(_ours, case) for _ in range(5)]
        if turn < (1 if len(case.old) > 500_000 else 3):
            theirs.append(_milliseconds(_theirs, case))
    median = statistics.median(ours)
    return {
        "case": case.name,
        "bytes": len(case.old),
        "ours_ms": round(median, 4),
        "deepdiff_ms": round(statistics.median(theirs), 3),
        "goal_ms": case.goal,
        "reached": None if case.goal is None else median <= case.goal,
    }


def main() -> int:
    """Measure every case; exit 1 when a goal was missed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=9)
    rounds = options.parse_args().rounds
    load = os.getloadavg()[0]
    results = [_measured(case, rounds) for case in _cases()]
    machine = {"python": platform.python_version(), "cores": os.cpu_count(), "load_before": round(load, 2)}
    print(json.dumps({"machine": machine, "rounds": rounds, "results": results}, indent=2))
    return 1 if any(each["reached"] is False for each in results) else 0


if __name__ == "__main__":
    sys.exit(main())
