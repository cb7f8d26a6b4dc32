"""A stage of the tests: a second look at what is red, and no third."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.stage import MOST, UNSTEADY, main

ONCE = """
import pathlib
def test_{number}():
    seen = pathlib.Path("seen-{number}")
    before = seen.exists()
    seen.touch()
    assert before
"""
ALWAYS = "def test_{number}():\n    assert False\n"
NEVER = "def test_{number}():\n    pass\n"


@pytest.mark.parametrize(
    ("red", "always", "code", "kept", "looks"),
    [
        (0, 0, 0, 0, 1),
        (1, 0, 0, 1, 2),
        (MOST, 0, 0, MOST, 2),
        (0, 1, 1, 0, 2),
        (1, 1, 1, 0, 2),
        (MOST + 1, 0, 1, 0, 1),
    ],
)
def test_a_second_look(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    red: int,
    always: int,
    code: int,
    kept: int,
    looks: int,
) -> None:
    texts = [ONCE] * red + [ALWAYS] * always + [NEVER] * 2
    text = "".join(each.format(number=number) for number, each in enumerate(texts))
    (tmp_path / "test_them.py").write_text(text, "utf-8")
    assert main([], tmp_path) == code
    file = tmp_path / UNSTEADY
    assert (file.read_text("utf-8").splitlines() if file.exists() else []) == [
        f"test_them.py::test_{number}" for number in range(kept)
    ]
    assert capfd.readouterr().out.count("test session starts") == looks


def test_what_pytest_cannot_run_is_asked_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test_them.py").write_text("import nowhere\n", "utf-8")
    assert main([], tmp_path) not in (0, 1)
    assert capfd.readouterr().out.count("test session starts") == 1
