"""`python -m bench.endurance [--quick] [PART …]`: all of it at full length, printed as JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.endurance.cadence import CONTROL, GUNICORN, RAW, cadences
from bench.endurance.hostile import hostile
from bench.endurance.overload import overload
from bench.endurance.restarts import kill, roll


@dataclass(frozen=True)
class Effort:
    """How much of each; `workers`: with each of these numbers of workers."""

    posts: int
    load: int
    rolls: int
    seconds: float
    workers: Sequence[int]


# What the tests do, too: four minutes all together. The whole takes a quarter of an hour.
QUICK = Effort(posts=1_000, load=300, rolls=1, seconds=4.0, workers=(1, 4))
WHOLE = Effort(posts=4_000, load=3_000, rolls=3, seconds=10.0, workers=(1, 2, 4))


def _cadence(home: Path, effort: Effort) -> Any:
    subjects = [GUNICORN, replace(GUNICORN, workers=4), *RAW]
    found = cadences(home, subjects, effort.posts)
    return [one.told() for one in (*found, *cadences(home / "control", (CONTROL,), 200))]


def _kill(home: Path, effort: Effort) -> Any:
    return [kill(home / f"{count}", count, effort.load).told() for count in effort.workers]


def _roll(home: Path, effort: Effort) -> Any:
    return [roll(home / f"{count}", count, effort.rolls).told() for count in effort.workers]


def _overload(home: Path, effort: Effort) -> Any:
    return [overload(home / f"{count}", count, effort.seconds).told() for count in effort.workers]


def _hostile(home: Path, effort: Effort) -> Any:
    fewest, most = min(effort.workers), max(effort.workers)
    found = (hostile(home / f"{count}", count, effort.seconds) for count in (fewest, most))
    return [one.told() for some in found for one in some]


PARTS: dict[str, Callable[[Path, Effort], Any]] = {
    "cadence": _cadence,
    "kill": _kill,
    "roll": _roll,
    "overload": _overload,
    "hostile": _hostile,
}


def main(arguments: Sequence[str]) -> int:
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    effort = QUICK if options.quick else WHOLE
    told: dict[str, Any] = {"cores": os.cpu_count(), "load_before": os.getloadavg()}
    for name in options.parts or PARTS:
        print(name, file=sys.stderr)
        with tempfile.TemporaryDirectory() as home:
            told[name] = PARTS[name](Path(home), effort)
    print(json.dumps(told, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
