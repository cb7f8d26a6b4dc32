"""The corpus against our own facade: whole, byte by byte, with one worker and with four."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.hostile.backends import Backends
from tests.hostile.case import Case
from tests.hostile.corpus import corpus
from tests.hostile.facade import facade_for
from tests.hostile.rules import RULES
from tests.hostile.runner import Outcome, carries_mark, run

CASES = corpus()
# What is used again within a quarter of a second: a busy machine may hold a case up for longer.
TIMED = frozenset({"idle", "reuse"})


def _outcomes(directory: Path, cases: tuple[Case, ...], *, workers: int, split: bool) -> list[Outcome]:
    """Those of `TIMED` that are red are asked once more, with nothing of ours beside them."""
    with Backends() as backends, facade_for(directory, backends, workers=workers) as running:
        address = ("127.0.0.1", running.port)
        outcomes = run(address, backends, cases, split=split)
        held_up = [one for one in outcomes if not one.passed and one.case.rule in TIMED]
        again = [run(address, backends, (one.case,), split=split)[0] for one in held_up]
        return [one for one in outcomes if one not in held_up] + again


def _told(red: list[Outcome]) -> str:
    lines = [f"[{outcome.case.rule}] {outcome.case.name}: {outcome.saw}" for outcome in red]
    return "\n".join([f"{len(red)} of {len(CASES)} cases are red:", *lines])


@pytest.mark.slow
@pytest.mark.parametrize("split", [False, True], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("workers", [1, 4])
def test_every_case_is_as_the_design_says(tmp_path: Path, workers: int, split: bool) -> None:
    red = [one for one in _outcomes(tmp_path, CASES, workers=workers, split=split) if not one.passed]
    assert not red, _told(red)


def test_every_rule_has_cases_and_every_case_a_rule() -> None:
    assert {case.rule for case in CASES} == set(RULES)


def test_no_two_cases_have_a_name_or_a_mark_in_common() -> None:
    assert [name for name, times in Counter(case.name for case in CASES).items() if times > 1] == []
    assert len({case.token for case in CASES}) == len(CASES)


def test_a_case_whose_bytes_nobody_could_tell_from_another_ones_runs_alone() -> None:
    unmarked = [case.name for case in CASES if not carries_mark(case) and not case.alone]
    assert unmarked == []


def test_no_two_cases_ask_for_the_same_of_the_same() -> None:
    asked = Counter((case.send, case.answers, case.expect) for case in CASES)
    assert [one for one, times in asked.items() if times > 1] == []
