"""`make install` says what is wrong with a machine before it does anything, on any Python 3."""

from __future__ import annotations

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.architecture.tree import REPO
from tools import preflight

GOOD = {"version": (3, 11, 7), "system": "Linux", "machine": "x86_64", "missing": []}


@pytest.mark.parametrize("good", [{}, {"version": (3, 14, 0)}, {"system": "Darwin", "machine": "arm64"}])
def test_a_good_machine_hears_nothing(good: dict[str, object]) -> None:
    assert preflight.problems(**GOOD | good) == []


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"version": (3, 10, 4)}, "make install PYTHON=python3.13"),
        ({"version": (2, 7, 18)}, "Python 2.7; 3.11 or newer"),
        ({"missing": ["ensurepip"]}, "apt install python3.11-venv"),
        ({"system": "Windows"}, "WSL 2"),
        ({"machine": "riscv64"}, "x86-64 and arm64"),
    ],
)
def test_each_problem_names_its_cure(bad: dict[str, object], says: str) -> None:
    (told,) = preflight.problems(**GOOD | bad)
    assert says in told


def test_all_problems_are_told_at_once() -> None:
    assert len(preflight.problems((3, 8, 1), "Windows", "riscv64", ["venv", "ensurepip"])) == 4


def test_its_syntax_is_old_enough_to_be_read_by_a_wrong_python() -> None:
    ast.parse((REPO / "tools" / "preflight.py").read_text(encoding="utf-8"), feature_version=(3, 6))


def test_a_python_that_is_too_old_ends_the_installation_with_the_cure(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho 'preflight: cure' >&2\nexit 3\n", encoding="utf-8")
    old.chmod(0o755)
    done = subprocess.run(["make", "install", f"PYTHON={old}"], cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 2
    assert "preflight: cure" in done.stderr
    assert "Error 3" in done.stderr


def test_the_first_python_that_can_make_an_environment_is_taken(tmp_path: Path) -> None:
    for name, code in (("python3", 1), ("python3.13", 0)):
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {code}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    shell = shutil.which("sh")
    assert shell
    done = subprocess.run(
        [shell, str(REPO / "tools" / "find-python")],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(tmp_path / "python3.13")
