"""Files and functions stay small, or say here why not; the biggest file always has the vaguest name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.tree import REPO, files, named

MOST_LINES_OF_A_FILE = 300
MOST_LINES_OF_A_SUITE = 450  # of tests: it is a list of cases, read one at a time
MOST_LINES_OF_A_FUNCTION = 30  # its body, without signature and docstring; a test may tell a longer story
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
TANGLED_ON_PURPOSE = "legacy_monolith"

LONG_FILES: dict[str, str] = {
    "tests/unit/sync/exploration.py": "one model: its actors and invariants are read beside each other",
}
LONG_FUNCTIONS: dict[str, str] = {
    "facade/adapters/numbers.py::__init__": "the list of metrics, one entry each",
}


def _python() -> list[Path]:
    return [path for path in files() if path.suffix == ".py"]


def _most(path: Path) -> int:
    return MOST_LINES_OF_A_SUITE if path.name.startswith("test_") else MOST_LINES_OF_A_FILE


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            yield node.name, (body[-1].end_lineno or 0) - body[0].lineno + 1


def test_a_long_file_says_why() -> None:
    long = {named(path) for path in _python() if len(path.read_text().splitlines()) > _most(path)}
    assert long == set(LONG_FILES)


def test_a_long_function_says_why() -> None:
    long = {
        f"{named(path)}::{name}"
        for path in _python()
        if path.relative_to(REPO).parts[0] not in (TANGLED_ON_PURPOSE, "tests")
        for name, lines in _functions(path)
        if lines > MOST_LINES_OF_A_FUNCTION
    }
    assert long == set(LONG_FUNCTIONS)


def test_no_name_is_vague() -> None:
    vague = [named(path) for path in files() if VAGUE & {path.stem, *path.relative_to(REPO).parts[:-1]}]
    assert vague == []


def test_every_room_and_every_core_says_what_may_not_enter() -> None:
    silent = []
    for path in _python():
        parts = path.relative_to(REPO).parts
        shelf = parts[0] in ("desk", "facade", "migration", "shadow", "sync") and path.name == "__init__.py"
        if shelf and (len(parts) == 2 or parts[1:] == ("core", "__init__.py")):
            told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            silent += [] if "not" in told.lower() or "no " in told.lower() else [named(path)]
    assert silent == []
