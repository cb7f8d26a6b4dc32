"""The page of tempting ways lists the negative controls: none is missing, and none is only written about."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.tree import REPO

PAGE = REPO / "docs" / "explanation" / "tempting-ways.md"
FOLDER = REPO / "tests" / "sync" / "negative"
MODULES = sorted(FOLDER.glob("test_*.py"))
ROW = re.compile(
    r"^\| (.+) \| (both|PostgreSQL|SQLite) \| (.+) \| \[`(\w+\.py)`\]\((\S+)\) \|$", re.MULTILINE
)
ENGINES = {"banks": "both", "half_done": "both", "postgres_banks": "PostgreSQL", "sqlite_banks": "SQLite"}
ROWS = {row[3]: row for row in ROW.findall(PAGE.read_text("utf-8"))}


def _said(module: Path) -> dict[str, str]:
    """What a module says of itself: TEMPTING and LOSES."""
    assigned = [node for node in ast.parse(module.read_text("utf-8")).body if isinstance(node, ast.Assign)]
    named = {ast.unparse(node.targets[0]): node.value for node in assigned}
    return {name: ast.literal_eval(named[name]) for name in ("TEMPTING", "LOSES")}


def test_the_page_has_a_row_for_each_control_and_no_other() -> None:
    assert sorted(ROWS) == [module.name for module in MODULES]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_the_page_says_of_a_control_what_it_says_itself(module: Path) -> None:
    way, engine, loses, _, link = ROWS[module.name]
    assert {"TEMPTING": way, "LOSES": loses} == _said(module)
    assert (PAGE.parent / link).resolve() == module
    text = module.read_text("utf-8")
    assert engine in {ENGINES[name] for name in re.findall(r"\b(\w+): Banks", text) if name in ENGINES}
    assert {'"tempting', '"ours'} <= set(re.findall(r"\"tempting|\"ours", text)), "both ways are run"
