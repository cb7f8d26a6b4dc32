"""What a facade holds in memory around a hundred thousand requests, and what doing nothing costs it."""

from __future__ import annotations

import time
from typing import Any

from bench.facade import cost
from bench.facade.rounds import Case, Course, Say
from bench.facade.subject import Subject

REQUESTS = 100_000


def growth(course: Course, case: Case, seconds: int, say: Say) -> dict[str, Any]:
    """Resident bytes of a fresh facade's tree: started, warm, and after the requests."""
    subject = case.subject
    started = cost.resident(subject.process.pid)
    answered = course.ask(case, 1)
    warm = cost.resident(subject.process.pid)
    while answered < REQUESTS:
        answered += course.ask(case, seconds)
        say(f"memory: {answered:,} of {REQUESTS:,} requests")
    time.sleep(1)
    return {
        "name": case.name,
        "routes": subject.routes,
        "requests": answered,
        "rss_started_bytes": started,
        "rss_before_bytes": warm,
        "rss_after_bytes": cost.resident(subject.process.pid),
    }


def idle(subject: Subject, seconds: float) -> dict[str, Any]:
    """CPU of a facade that nobody asks: it follows flags, ledger and plan all the same."""
    before = cost.run_times(subject.process.pid)
    time.sleep(seconds)
    spent = cost.spent(before, cost.run_times(subject.process.pid))
    return {"routes": subject.routes, "cpu_ms_per_second": round(spent / 1e6 / seconds, 2)}
