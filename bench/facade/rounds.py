"""Rounds in turns: nginx, ours, Envoy, nginx, …; a case is compared with the references of its own round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.facade import cost, traffic
from bench.facade.load import Load, LoadError, drive, must_be_same
from bench.facade.ours import counters, shadow_at_work
from bench.facade.subject import Subject
from bench.facade.traffic import Ask

_SETTLE = 0.3  # seconds for what a subject still tells or taps of the window before
_FRESH = 100_000_000  # targets set aside for a window: more than are asked in one
_ROUTES_OF_REFERENCES = 50  # the paths that are asked of proxies that know no routes

Say = Callable[[str], None]


@dataclass(frozen=True)
class Window:
    """One subject in one round: CPU in µs a request, its shadow process's too, and what it counted itself."""

    cpu: float
    shadow_cpu: float
    rate: float
    counted: dict[str, float]


@dataclass
class Case:
    """One kind of request through one subject, and what each round found."""

    name: str
    subject: Subject
    ask: Ask
    checked: Load | None = None
    windows: list[Window] = field(default_factory=list)

    @property
    def median(self) -> float:
        """CPU in µs a request."""
        return statistics.median(one.cpu for one in self.windows)

    def ratio_to(self, reference: Case | None) -> float | None:
        """The median of what each round's ratio was."""
        if reference is None:
            return None
        pairs = zip(self.windows, reference.windows, strict=True)
        return statistics.median(one.cpu / other.cpu for one, other in pairs)


class Course:
    """Measures groups of cases that ask alike, round by round."""

    def __init__(self, folder: Path, say: Say) -> None:
        """`folder` takes the files of requests; `say` shows progress."""
        self._folder, self._say = folder, say
        self._fresh = 100 * _FRESH  # longer numbers than those that ask for large bodies

    def run(self, title: str, cases: Sequence[Case], rounds: int, seconds: int) -> None:
        """Every case once a round; LoadError when an answer was wrong."""
        for case in cases:
            if case.checked is None:
                with shadow_at_work(case.subject, case.ask.route):
                    case.checked = self._drive(case, 1, check=True)
        for number in range(rounds):
            for case in cases:
                case.windows.append(self._window(case, seconds))
            told = ", ".join(f"{case.name} {case.windows[-1].cpu:.1f}" for case in cases)
            self._say(f"{title}, round {number + 1} of {rounds}: µs a request: {told}")

    def ask(self, case: Case, seconds: int) -> int:
        """Ask and measure nothing; how much was answered."""
        with shadow_at_work(case.subject, case.ask.route):
            return self._drive(case, seconds).requests

    def _window(self, case: Case, seconds: int) -> Window:
        subject = case.subject
        time.sleep(_SETTLE)
        counted = _counted(subject)
        beside = cost.run_times(subject.shadow.pid) if subject.shadow else {}
        with shadow_at_work(subject, case.ask.route):
            before = cost.run_times(subject.process.pid)
            load = self._drive(case, seconds)
            spent = cost.spent(before, cost.run_times(subject.process.pid))
        besides = cost.spent(beside, cost.run_times(subject.shadow.pid)) if subject.shadow else 0
        assert case.checked is not None
        must_be_same(case.checked, load)
        after = _counted(subject)
        gained = {name: value - counted.get(name, 0.0) for name, value in after.items()}
        per = 1000 * load.requests
        return Window(spent / per, besides / per, load.requests / load.seconds, gained)

    def _drive(self, case: Case, seconds: int, *, check: bool = False) -> Load:
        self._fresh += _FRESH
        try:
            return drive(
                case.subject.port, self._file(case), case.ask, seconds, start=self._fresh, check=check
            )
        except LoadError as error:
            said = case.subject.process.log(1000)
            raise LoadError(f"{case.subject.name}, {case.name}: {error}\n{said}") from None

    def _file(self, case: Case) -> Path:
        ask, subject = case.ask, case.subject
        path = self._folder / f"{subject.name}-{ask.method}-{ask.body}-{ask.route:d}{ask.fresh:d}.asks"
        if not path.exists():
            routes = subject.routes or _ROUTES_OF_REFERENCES
            traffic.write(path, traffic.entries(ask, routes, subject.cookie, subject.keys))
        return path


def _counted(subject: Subject) -> dict[str, float]:
    """What a facade tells of itself, once its workers had time to tell it."""
    if not subject.admin_port:
        return {}
    time.sleep(_SETTLE)
    return counters(subject)
