"""One stage of the tests. What is red beside other tests is asked once more, alone; red twice is red.

    python -m tools.stage -m "not services and slow" -n 3

Tests that start processes share two cores with each other, and one in thousands loses a race against a
time-out that nothing else in the run shows. What was green only alone is no secret: each stage and the end of
`.ci/run` name it, for it is a defect of the test or, now and then, of what it tests.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
FAILED = Path(".pytest_cache") / "v" / "cache" / "lastfailed"
UNSTEADY = Path("var") / "unsteady.txt"
MOST = 3  # red tests that may be an accident; more are none
_TESTS_FAILED = 1  # pytest's exit code; all others say that it could not test


def main(arguments: Sequence[str], root: Path = REPO) -> int:
    """Run pytest with `arguments` in `root`; its exit code, or that of the second look."""
    (root / FAILED).unlink(missing_ok=True)
    code = _pytest(root, *arguments)
    red = _red(root)
    if code != _TESTS_FAILED or not 0 < len(red) <= MOST:
        return code
    print(f"stage: {len(red)} red, asked once more, alone: {', '.join(red)}", flush=True)
    code = _pytest(root, *red)
    if code == 0:
        _keep(root / UNSTEADY, red)
        print(f"stage: UNSTEADY, red beside others and green alone: {', '.join(red)}", flush=True)
    return code


def _red(root: Path) -> list[str]:
    try:
        return sorted(json.loads((root / FAILED).read_text("utf-8")))
    except FileNotFoundError:
        return []


def _keep(path: Path, red: Sequence[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{name}\n" for name in red)


def _pytest(root: Path, *arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=root, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
