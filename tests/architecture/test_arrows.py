"""The arrows between rooms hold, and the contracts would notice if they did not."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import REPO, ROOMS, named, project

LINT_IMPORTS = str(Path(sys.executable).parent / "lint-imports")


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LINT_IMPORTS, "--no-cache"], cwd=folder, capture_output=True, text=True)


def test_the_arrows_hold() -> None:
    done = _lint(REPO)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rooms and the samples, to be spoilt."""
    folder = tmp_path_factory.mktemp("rooms")
    shutil.copy(REPO / "pyproject.toml", folder)
    for room in project()["tool"]["importlinter"]["root_packages"]:
        shutil.copytree(REPO / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


# A file that breaks a rule, what it imports, and the beginning of the contract that must say so.
FORBIDDEN = [
    ("migration/spoilt.py", "import desk", "Rooms"),
    ("shadow/spoilt.py", "import facade", "Rooms"),
    ("shadow/spoilt.py", "import sync", "Rooms"),
    ("facade/spoilt.py", "import shadow.core", "The facade sees of shadow the tap alone"),
    ("facade/spoilt.py", "import sync", "The facade knows nothing of sync"),
    ("extracted/spoilt.py", "import legacy_monolith", "The samples and the framework"),
    ("desk/spoilt.py", "import extracted", "Nobody imports the samples"),
    ("legacy_monolith/spoilt.py", "import migration", "The samples import nothing"),
    ("migration/core/spoilt.py", "import time", "Core is pure"),
    ("facade/core/spoilt.py", "import aiohttp", "Core is pure"),
    ("shadow/core/spoilt.py", "import migration.adapters", "Core is pure"),
]


@pytest.mark.parametrize(("file", "line", "contract"), FORBIDDEN)
def test_a_forbidden_import_breaks_its_contract(copied: Path, file: str, line: str, contract: str) -> None:
    spoilt = copied / file
    spoilt.write_text(f"{line}\n", encoding="utf-8")
    try:
        done = _lint(copied)
    finally:
        spoilt.unlink()
    broken = [each for each in done.stdout.splitlines() if each.startswith(contract) and "BROKEN" in each]
    assert broken, done.stdout + done.stderr


# What the import contracts cannot see: names that need no import, and clocks inside allowed modules.
IMPURE_NAMES = {"Random", "open", "print", "input", "exec", "eval", "breakpoint", "__import__"}
IMPURE_CALLS = {"Random", "now", "utcnow", "today", "uuid1", "uuid4", "getLogger", "read_text", "write_text"}
IMPURE_MODULES = {
    "io",
    "sqlite3",
    "requests",
    "urllib.request",
    "http.client",
    "ssl",
    "select",
    "signal",
    "pickle",
}


def _impurities(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in IMPURE_NAMES:
                found.append(f"line {node.lineno}: {node.func.id}()")
            if isinstance(node.func, ast.Attribute) and node.func.attr in IMPURE_CALLS:
                found.append(f"line {node.lineno}: .{node.func.attr}()")
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found += _chance(node)
            modules = {node.module} if isinstance(node, ast.ImportFrom) else {one.name for one in node.names}
            found += [f"line {node.lineno}: imports {module}" for module in modules & IMPURE_MODULES]
    return found


def _chance(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Only the type may come from `random`: the generator itself is an argument."""
    names = {one.name for one in node.names}
    module = node.module if isinstance(node, ast.ImportFrom) else None
    bad = "random" in names if module is None else module == "random" and names != {"Random"}
    return [f"line {node.lineno}: chance"] if bad else []


def test_nothing_in_core_reaches_the_world_without_an_import() -> None:
    cores = [path for room in ROOMS for path in (REPO / room / "core").rglob("*.py")]
    assert cores
    found = {named(path): _impurities(ast.parse(path.read_text(encoding="utf-8"))) for path in cores}
    assert {name: what for name, what in found.items() if what} == {}


def test_a_clock_in_core_would_be_seen() -> None:
    lines = (
        "from random import choice",
        "import random",
        "datetime.now()",
        "print()",
        "from random import Random",
    )
    assert sorted(_impurities(ast.parse("\n".join([*lines, "Random()"])))) == [
        "line 1: chance",
        "line 2: chance",
        "line 3: .now()",
        "line 4: print()",
        "line 6: Random()",
    ]
