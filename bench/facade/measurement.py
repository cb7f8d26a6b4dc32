"""One whole measurement: costs round by round, memory, and what is added to the slowest answers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.facade import latency, machine, memory, ours
from bench.facade.field import FEW, Field, groups, open_field
from bench.facade.results import SCHEMA, must_have_been_on, rows, with_latency
from bench.facade.rounds import Case, Course, Say
from bench.facade.subject import Subject
from bench.facade.traffic import Ask
from bench.facade.upstream import Home


@dataclass(frozen=True)
class Effort:
    """How long it may take: rounds (of the first group, of the others) and seconds of a window.

    Then the same for the slowest answers.
    """

    rounds: int
    further: int
    seconds: int  # wrk takes no fractions
    slowest_rounds: int
    slowest_seconds: float
    idle: float


QUICK = Effort(rounds=3, further=2, seconds=2, slowest_rounds=2, slowest_seconds=3.0, idle=2.0)
WHOLE = Effort(rounds=9, further=7, seconds=4, slowest_rounds=7, slowest_seconds=10.0, idle=10.0)


def measure(
    home: Home, say: Say, effort: Effort, *, tree: Path, workers: int, kept: Path | None
) -> dict[str, Any]:
    """The document of `bench.facade/1`."""
    load = os.getloadavg()[0]
    field = open_field(home, tree, workers, kept)
    course = Course(home.path, say)
    cases: list[dict[str, Any]] = []
    for number, group in enumerate(groups(field)):
        rounds = effort.further if number else effort.rounds
        course.run(group.title, group.cases, rounds, effort.seconds)
        must_have_been_on(group, say)
        cases += rows(group)
    idle = [memory.idle(subject, effort.idle) for subject in (field.few, field.many)]
    besides = [one for one in (field.kept, field.compiled) if one is not None]
    with _frozen([field.few, field.many, *field.others, *besides]):
        grown = _memory(home, course, tree, workers, effort, say)
        slowest = latency.measure(home, _watched(field), effort.slowest_rounds, effort.slowest_seconds, say)
    return {
        "schema": SCHEMA,
        "machine": machine.facts(field.all, load),
        "seconds": effort.seconds,
        "workers": workers,
        "cases": with_latency(cases, slowest),
        "latency": slowest,
        "memory": [grown],
        "idle": idle,
    }


def _watched(field: Field) -> list[Case]:
    plain, full = Ask(route=False), Ask(route=True)
    envoy = [Case("envoy", field.envoy, plain)] if field.envoy else []
    return [
        Case("nginx", field.nginx, plain),
        Case("plain", field.live, plain),
        Case("full", field.live, full),
        *envoy,
    ]


def _memory(home: Home, course: Course, tree: Path, workers: int, effort: Effort, say: Say) -> dict[str, Any]:
    fresh = ours.facade(home, "facade_fresh", FEW, tree=tree, workers=workers, examined=True)
    found = memory.growth(course, Case("full", fresh, Ask(route=True)), max(effort.seconds, 5), say)
    for process in (fresh.process, fresh.shadow):
        if process is not None:
            process.terminate()
            home.processes.remove(process)
    return found


@contextmanager
def _frozen(subjects: list[Subject]) -> Iterator[None]:
    """Those that are not asked any more stand still: what they do by themselves would be seen in others."""
    for subject in subjects:
        subject.process.sigstop()
    try:
        yield
    finally:
        for subject in subjects:
            subject.process.sigcont()
