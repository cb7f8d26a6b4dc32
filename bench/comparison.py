"""Time to compare two bodies, in the shadow process; medians."""

from __future__ import annotations

import json
import statistics
import time
from typing import Any
from zoneinfo import ZoneInfo

from shadow.compare import compare_bodies
from shadow.core.rules import compile_rules
from shadow.core.walk import Budgets

# Goals of the design, in milliseconds (one core).
CASES = (
    ("equal bytes, 10 KB", 10_000, False, 0.06),
    ("one field different, 10 KB", 10_000, True, 0.2),
    ("one field different, 100 KB", 100_000, True, 2.5),
    ("one field different, 1 MB", 1_000_000, True, 40.0),
)


def table(repeats: int) -> str:
    """One row for each case."""
    rows = ["| comparison | median ms | goal ms |", "|---|---|---|"]
    for name, size, different, goal in CASES:
        control, candidate = _bodies(size, different)
        rows.append(f"| {name} | {_median(control, candidate, repeats):.3f} | {goal} |")
    return "\n".join([*rows, ""])


def _bodies(size: int, different: bool) -> tuple[bytes, bytes]:
    items: list[dict[str, Any]] = []
    length = 0
    while length < size:
        number = len(items)
        items.append(
            {"id": number, "name": f"blue cup {number}", "price": 19.99, "in_stock": True, "note": None}
        )
        length += len(json.dumps(items[-1])) + 2
    control = json.dumps({"items": items}).encode()
    items[-1] = {**items[-1], "price": 20.0} if different else items[-1]
    return control, json.dumps({"items": items}).encode()


def _median(control: bytes, candidate: bytes, repeats: int) -> float:
    rules, budgets = compile_rules((), ZoneInfo), Budgets()
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        compare_bodies(control, candidate, rules, budgets)
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)
