"""Runs the corpus against a proxy; what did not go as wanted gets a second try."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.hostile.backends import Backends, Record
from tests.hostile.case import Case
from tests.hostile.classes import Did, did
from tests.hostile.facade import facade_for
from tests.hostile.runner import Address, Outcome, run
from tests.hostile.subjects import OTHERS
from tools.compile import PYTHON

FACADE = "facade"
COMPILED = "compiled"  # the same facade as `make compiled` builds it
OURS = (FACADE, COMPILED)
NAMES = (FACADE, *(subject.name for subject in OTHERS))
Tell = Callable[[str], None]


class CountedBackends(Backends):
    """Upstreams that tell how many cases have begun."""

    def __init__(self, tell: Tell, cases: Sequence[Case]) -> None:
        """`tell` hears one line for every 32 cases."""
        super().__init__()
        self._tell, self._total, self._begun = tell, len(cases), 0

    def begin(self, case: Case, slot: int | None) -> Record:
        """Count, and begin."""
        self._begun += 1
        if self._begun % 32 == 0 and self._begun <= self._total:
            self._tell(f"{self._begun} of {self._total} cases")
        return super().begin(case, slot)


def tried(name: str, cases: Sequence[Case], home: Path, tell: Tell, *, split: bool = False) -> list[Outcome]:
    """The outcomes of all cases at the proxy called `name`, which is started for it."""
    backends = CountedBackends(lambda line: tell(f"{name}: {line}"), cases)
    with backends, ExitStack() as running:
        address = _started(name, home / name, backends, running)
        return settled(address, backends, cases, split=split, ours=name in OURS)


def settled(
    address: Address, backends: Backends, cases: Sequence[Case], *, split: bool = False, ours: bool = True
) -> list[Outcome]:
    """The outcomes; at other proxies a case that did not go as wanted is tried once more, with less haste."""
    outcomes = run(address, backends, cases, split=split, ours=ours)
    if ours:
        return outcomes  # ours must pass at once
    doubtful = (Did.OTHERWISE, Did.WRONG)
    again = [
        one.case
        for one in outcomes
        if not one.passed and did(one) in doubtful and one.case in cases and not one.case.alone
    ]
    if not again:
        return outcomes
    tried_again = run(address, backends, again, split=split, ours=ours, at_once=16)
    second = {one.case.name: one for one in tried_again}
    return [second.get(outcome.case.name, outcome) for outcome in outcomes]


def _started(name: str, home: Path, backends: Backends, running: ExitStack) -> Address:
    home.mkdir(parents=True, exist_ok=True)
    if name in OURS:
        python = PYTHON if name == COMPILED else None
        return "127.0.0.1", running.enter_context(facade_for(home, backends, python=python)).port
    subject = next(subject for subject in OTHERS if subject.name == name)
    return "127.0.0.1", subject.start(home, backends, running).port
