"""The sample monolith's README names a test for each thing that is wrong with it; the tests must exist."""

import ast
import re
from pathlib import Path

import pytest

MONOLITH = Path(__file__).parents[2] / "legacy_monolith"


def difficulties() -> list[tuple[str, str]]:
    """(difficulty, test) for each row of the README's list; the test is "" where none is named."""
    section = (MONOLITH / "README.md").read_text(encoding="utf-8").split("## What is wrong with it")[1]
    rows = [row.strip("| ").split(" | ") for row in section.splitlines() if row.startswith("| ")]
    named = [re.fullmatch(r"`(test_\w+\.py::test_\w+)`", row[-1]) for row in rows[1:]]
    return [(row[0], test.group(1) if test else "") for row, test in zip(rows[1:], named, strict=True)]


def names_in(file: str) -> set[str]:
    """The names of the test functions in a file of the monolith's suite."""
    path = MONOLITH / "tests" / file
    if not path.exists():
        return set()
    return {node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if hasattr(node, "name")}


def test_the_list_is_found() -> None:
    assert len(difficulties()) >= 15


@pytest.mark.parametrize(("difficulty", "test"), difficulties())
def test_each_difficulty_names_a_test_that_exists(difficulty: str, test: str) -> None:
    file, _, name = test.partition("::")
    assert name in names_in(file), f"{difficulty!r} names no test that exists"
