"""What a proxy adds to the 99th of a hundred answers at 1,000 requests a second: through it minus direct."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from typing import Any

from bench.facade import cost
from bench.facade.open_loop import ask_at
from bench.facade.ours import shadow_at_work
from bench.facade.rounds import Case, Say
from bench.facade.traffic import Ask, entries
from bench.facade.upstream import Home

RATE = 1000.0
_WARM = 1.0  # seconds

Row = dict[str, Any]


def measure(home: Home, cases: Sequence[Case], rounds: int, seconds: float, say: Say) -> dict[str, Any]:
    """The rows of the cases by name, in milliseconds, and what was direct; nothing is pinned meanwhile."""
    release(home)
    found: dict[str, list[tuple[float, float]]] = {case.name: [] for case in cases}
    direct: list[tuple[float, float]] = []
    for case in cases:
        _through(case, _WARM)
    for number in range(rounds):
        straight = _direct(home, cases[0], seconds)
        direct.append(straight)
        for case in cases:
            through = _through(case, seconds)
            found[case.name].append((through[0] - straight[0], through[1] - straight[1]))
        told = ", ".join(f"{name} {times[-1][1]:.2f}" for name, times in found.items())
        say(
            f"p99 added at {RATE:.0f}/s, round {number + 1} of {rounds}: ms: {told}; direct {straight[1]:.2f}"
        )
    return {
        "rate": RATE,
        "rounds": rounds,
        "seconds": seconds,
        "direct": _row(direct),
        "added": {name: _row(times) for name, times in found.items()},
    }


def release(home: Home) -> None:
    """Let every process of the run use every core."""
    everywhere = set(range(os.cpu_count() or 1))
    for process in home.processes:
        for pid in cost.tree(process.pid):
            for task in cost.run_times_of(pid):
                os.sched_setaffinity(task, everywhere)


def _direct(home: Home, case: Case, seconds: float) -> tuple[float, float]:
    return _percentiles(home.legacy, case, seconds)


def _through(case: Case, seconds: float) -> tuple[float, float]:
    with shadow_at_work(case.subject, case.ask.route):
        return _percentiles(case.subject.port, case, seconds)


def _percentiles(port: int, case: Case, seconds: float) -> tuple[float, float]:
    ask: Ask = case.ask
    asked = entries(ask, case.subject.routes or 50, case.subject.cookie, case.subject.keys)
    times = ask_at(port, asked, ask, RATE, seconds)
    return times[len(times) // 2] * 1000, times[int(len(times) * 0.99)] * 1000


def _row(times: Sequence[tuple[float, float]]) -> Row:
    return {
        "p50_ms": round(statistics.median(one[0] for one in times), 3),
        "p99_ms": round(statistics.median(one[1] for one in times), 3),
        "p99_ms_lowest": round(min(one[1] for one in times), 3),
        "p99_ms_highest": round(max(one[1] for one in times), 3),
    }
