"""`make check`: every check at once on the cores there are, each one's output only when it failed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
PYTHON = sys.executable
MOST_SECONDS = 300  # of one step; all of them together take a minute on two cores

# The longest first, so that they overlap the others.
CHECKS: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = (
    ("types", (("mypy",),)),
    (
        "unit tests",
        (("coverage", "run", "-m", "pytest", "-q", "-m", "not slow", "tests/unit"), ("coverage", "report")),
    ),
    ("arrows", (("importlinter.cli",),)),
    ("lint", (("ruff", "check", "--quiet"),)),
    ("format", (("ruff", "format", "--check", "--quiet"),)),
)


@dataclass(frozen=True)
class Outcome:
    """What one check said, and how long it took in seconds."""

    name: str
    code: int
    output: str
    seconds: float


def main() -> int:
    """Run all; 1 when any failed."""
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
        running: list[Future[Outcome]] = [pool.submit(_run, name, steps) for name, steps in CHECKS]
        outcomes = [_tell(done.result()) for done in as_completed(running)]
    failed = [one.name for one in outcomes if one.code]
    print(f"check: failed: {', '.join(failed)}" if failed else "check: all good")
    return 1 if failed else 0


def _run(name: str, steps: tuple[tuple[str, ...], ...]) -> Outcome:
    began = time.monotonic()
    output = ""
    for step in steps:
        try:
            done = subprocess.run(
                _command(step), cwd=REPO, capture_output=True, text=True, timeout=MOST_SECONDS
            )
        except subprocess.TimeoutExpired:
            hanging = f"{output}{' '.join(step)}: not done after {MOST_SECONDS} s; run it alone"
            return Outcome(name, 1, hanging, time.monotonic() - began)
        output += done.stdout + done.stderr
        if done.returncode:
            return Outcome(name, done.returncode, output, time.monotonic() - began)
    return Outcome(name, 0, output, time.monotonic() - began)


def _command(step: tuple[str, ...]) -> list[str]:
    if step[0] == "importlinter.cli":  # it has no `python -m` door of its own
        return [str(Path(PYTHON).parent / "lint-imports")]
    return [PYTHON, "-m", *step]


def _tell(outcome: Outcome) -> Outcome:
    print(f"{'FAIL' if outcome.code else 'ok':4} {outcome.name} ({outcome.seconds:.1f} s)", flush=True)
    if outcome.code:
        print(outcome.output, flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
