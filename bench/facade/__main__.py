"""`python -m bench.facade`: CPU µs per request of the facade beside nginx and Envoy, written as JSON."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

from bench.facade import machine, ours
from bench.facade.answers import AnswerError
from bench.facade.field import FEW, groups, open_field
from bench.facade.load import LoadError
from bench.facade.profile import environment, profile
from bench.facade.results import SCHEMA, rows
from bench.facade.rounds import Case, Course
from bench.facade.traffic import Ask
from bench.facade.upstream import Home, open_home

RESULTS = Path(__file__).resolve().parents[1] / "results" / "facade.json"
_MEMORY = Path("/dev/shm")


def main(arguments: Sequence[str]) -> int:
    """Measure; 1 with a reason when something failed, 130 after Ctrl-C."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        with (
            tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder,
            ExitStack() as running,
        ):
            home = open_home(Path(folder), running)
            course = Course(home.path, _say)
            if options.profile:
                print(_profiled(home, course, options))
                return 0
            _written(_measured(home, course, options), options)
    except (LoadError, AnswerError, RuntimeError, TimeoutError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.facade", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: under five minutes")
    parser.add_argument("--rounds", type=int, help="rounds of each group")
    parser.add_argument("--seconds", type=float, help="of one window")
    parser.add_argument("--workers", type=int, default=0, help="of the facade; 0: as it starts by itself")
    parser.add_argument("--tree", type=Path, default=ours.REPO, help="the checkout whose facade is measured")
    parser.add_argument("--kept", type=Path, metavar="PATH", help="an older checkout, measured as well")
    parser.add_argument("--profile", action="store_true", help="where the time of the full case goes instead")
    parser.add_argument("--json", action="store_true", help="print what was written")
    parser.add_argument("--output", type=Path, default=RESULTS)
    found = parser.parse_args(arguments)
    found.rounds = found.rounds or (3 if found.quick else 9)
    found.seconds = found.seconds or (1.5 if found.quick else 4.0)
    return found


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _profiled(home: Home, course: Course, options: argparse.Namespace) -> str:
    tree = options.tree
    surroundings = environment(home, tree)
    subject = ours.facade(home, "facade", FEW, tree=tree, workers=options.workers, environment=surroundings)
    return profile(home, course, Case("full", subject, Ask(route=True)), 5 if options.quick else 15)


def _measured(home: Home, course: Course, options: argparse.Namespace) -> dict[str, Any]:
    load = os.getloadavg()[0]
    field = open_field(home, options.tree, options.workers, options.kept)
    cases: list[dict[str, Any]] = []
    for group in groups(field):
        course.run(group.title, group.cases, options.rounds, options.seconds)
        cases += rows(group)
    return {
        "schema": SCHEMA,
        "machine": machine.facts(field.all, load),
        "seconds": options.seconds,
        "workers": options.workers,
        "cases": cases,
    }


def _written(results: dict[str, Any], options: argparse.Namespace) -> None:
    text = json.dumps(results, indent=2) + "\n"
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text, encoding="utf-8")
    _say(f"written: {options.output}")
    if options.json:
        print(text, end="")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
