"""Taking any one rule out of the facade turns a case red: none is held by luck, or by nobody."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.hostile import runner
from tests.hostile.backends import Backends
from tests.hostile.build import passed, request, sent
from tests.hostile.case import Upstream
from tests.hostile.corpus import corpus
from tests.hostile.plan import write_plan
from tests.hostile.removal import Removal
from tests.hostile.removals import REMOVALS
from tests.hostile.rules import RULES
from tests.hostile.runner import Outcome, run
from tests.integration.facade_process import Running, start_facade
from tools.servers.ports import free_port

_ROOT = Path(__file__).parents[2]
_WITHOUT = Path(__file__).with_name("without")
PLAIN = passed("an ordinary request", "original_bytes", "Ordinary.", request(), Upstream(head=sent()))
_PATIENCE = 2.0  # seconds: what is broken shows soon


@contextmanager
def _facade_without(removal: Removal, directory: Path, backends: Backends) -> Iterator[Running]:
    """A facade from which `removal` was taken, in all its processes; it may well have defects."""
    ports = free_port(), free_port()
    write_plan(directory, backends, *ports)
    path = os.pathsep.join([str(_WITHOUT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {"PYTHONPATH": path, "HOSTILE_WITHOUT": json.dumps(removal.changes)}
    running = start_facade(directory, ports, environment)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait(10)


def _outcomes(removal: Removal, directory: Path) -> list[Outcome]:
    cases = [case for case in corpus() if case.rule == removal.rule and not case.alone]
    with (
        Backends() as backends,
        _facade_without(removal, directory, backends) as running,
    ):
        return run(("127.0.0.1", running.port), backends, [*cases, PLAIN])


@pytest.mark.slow
@pytest.mark.parametrize("removal", REMOVALS, ids=lambda removal: f"{removal.rule}: {removal.about}")
def test_without_this_rule_a_case_is_red(
    removal: Removal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_PATIENCE", _PATIENCE)
    outcomes = _outcomes(removal, tmp_path)
    red = [outcome.case.name for outcome in outcomes if not outcome.passed]
    assert PLAIN.name not in red, "the facade is broken, not only without a rule"
    assert red, f"the cases of {removal.rule!r} are all green without {removal.about}"


def test_every_rule_can_be_taken_out() -> None:
    assert {removal.rule for removal in REMOVALS} == set(RULES)


@pytest.mark.parametrize("removal", REMOVALS, ids=lambda removal: f"{removal.rule}: {removal.about}")
def test_what_is_taken_out_is_there_once_and_leaves_a_program(removal: Removal) -> None:
    for module, old, new in removal.changes:
        text = (_ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8")
        assert text.count(old) == 1
        ast.parse(text.replace(old, new))
        assert old != new
