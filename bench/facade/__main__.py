"""`python -m bench.facade`: CPU µs per request of the facade beside nginx and Envoy, written as JSON."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from bench.facade import ours
from bench.facade.answers import AnswerError
from bench.facade.field import FEW
from bench.facade.load import LoadError
from bench.facade.measurement import QUICK, WHOLE, Effort, measure
from bench.facade.profile import environment, profile
from bench.facade.results import problems
from bench.facade.rounds import Case, Course
from bench.facade.table import table
from bench.facade.traffic import Ask
from bench.facade.upstream import Home, open_home

RESULTS = Path(__file__).resolve().parents[1] / "results" / "facade.json"
_MEMORY = Path("/dev/shm")


def main(arguments: Sequence[str]) -> int:
    """Measure; 1 with a reason when something failed, 130 after Ctrl-C."""
    options = _options(arguments)
    if options.table:
        return _show(options.output)
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        _run(options)
    except (LoadError, AnswerError, RuntimeError, TimeoutError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


def _show(path: Path) -> int:
    if not path.exists():
        print(f"bench: there are no results {path}; make bench-facade writes them", file=sys.stderr)
        return 1
    document = json.loads(path.read_text(encoding="utf-8"))
    missing = problems(document)
    if missing:
        print(f"bench: {path} is not whole: {'; '.join(missing)}", file=sys.stderr)
        return 1
    print(table(document), end="")
    return 0


def _run(options: argparse.Namespace) -> None:
    folder = tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None)
    with folder as path, ExitStack() as running:
        home = open_home(Path(path), running)
        if options.profile:
            print(_profiled(home, options))
            return
        results = measure(
            home, _say, _effort(options), tree=options.tree, workers=options.workers, kept=options.kept
        )
    _write(results, options)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.facade", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="fewer and shorter rounds: under five minutes")
    add("--rounds", type=int, help="of each group of cases")
    add("--seconds", type=int, help="of one window")
    add("--workers", type=int, default=0, help="of the facade; without it, as many as it starts by itself")
    add("--tree", type=Path, default=ours.REPO, help="the checkout whose facade is measured")
    add("--kept", type=Path, metavar="PATH", help="a checkout of an older facade, measured as well")
    add("--profile", action="store_true", help="show instead where the time of the full case goes")
    add("--table", action="store_true", help="print the last results as Markdown, and measure nothing")
    add("--json", action="store_true", help="print what was written, too")
    add("--output", type=Path, default=RESULTS, help="where the results go, and the table comes from")
    return parser.parse_args(arguments)


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _profiled(home: Home, options: argparse.Namespace) -> str:
    tree = options.tree
    course = Course(home.path, _say)
    surroundings = environment(home, tree)
    subject = ours.facade(home, "facade", FEW, tree=tree, workers=options.workers, environment=surroundings)
    return profile(home, course, Case("full", subject, Ask(route=True)), 5 if options.quick else 15)


def _effort(options: argparse.Namespace) -> Effort:
    usual = QUICK if options.quick else WHOLE
    return replace(
        usual,
        rounds=options.rounds or usual.rounds,
        further=options.rounds or usual.further,
        seconds=options.seconds or usual.seconds,
    )


def _write(results: dict[str, Any], options: argparse.Namespace) -> None:
    missing = problems(results)
    if missing:
        raise LoadError(f"the results are not whole: {'; '.join(missing)}")
    text = json.dumps(results, indent=2) + "\n"
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text, encoding="utf-8")
    _say(f"written: {options.output}")
    if options.json:
        print(text, end="")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
