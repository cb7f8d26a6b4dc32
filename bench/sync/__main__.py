"""`python -m bench.sync`: rates beside a plain loop, lag, the cost of capture, the pause of a flip."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.sync import cases
from bench.sync.cases import Case
from bench.sync.ground import Ground, open_ground
from tools.servers.postgres import Postgres

RESULTS = Path(__file__).resolve().parents[1] / "results" / "sync.json"
SCHEMA = "bench.sync/1"
ENGINES = ("sqlite", "postgres")
KINDS = ("rates", "lag", "capture", "flips")


def main(arguments: Sequence[str]) -> int:
    """Measure and write; the numbers go to stdout too."""
    parser = argparse.ArgumentParser(prog="python -m bench.sync")
    parser.add_argument("--quick", action="store_true", help="some minutes: 50,000 rows instead of a million")
    parser.add_argument("--rows", type=int, help="rows of backfill, verify and the backlog")
    parser.add_argument("--flips", type=int, help="flips of each engine")
    parser.add_argument("--engine", choices=ENGINES, help="only this one; then nothing is written")
    parser.add_argument("--only", choices=KINDS, help="only these cases; then nothing is written")
    parser.add_argument(
        "--output", type=Path, help=f"where to write; else {RESULTS.name}, if all was measured"
    )
    options = parser.parse_args(arguments)
    some = bool(options.engine or options.only)
    output = options.output or (None if some else RESULTS)
    rows = options.rows or (50_000 if options.quick else 1_000_000)
    flips = options.flips or (30 if options.quick else 300)
    machine = _machine()
    found: list[Case] = []
    with ExitStack() as stack:
        server = stack.enter_context(Postgres())
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="strangler-bench-", dir=_fast()))
        place = _Place(Path(folder), server.database)
        for engine in [options.engine] if options.engine else ENGINES:
            size = _Size(rows, flips, 5 if options.quick else 20)
            for case in _measure(engine, options.only, size, place):
                print(json.dumps(case), flush=True)
                found.append(case)
    if output:
        document = {"schema": SCHEMA, "machine": machine, "cases": found}
        output.parent.mkdir(exist_ok=True)
        output.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    return 0


@dataclass(frozen=True)
class _Place:
    folder: Path
    new_database: Callable[[], str]


@dataclass(frozen=True)
class _Size:
    rows: int
    flips: int
    seconds: float


def _measure(engine: str, only: str | None, size: _Size, place: _Place) -> Iterator[Case]:
    def ground(count: int) -> Ground:
        return open_ground(engine, Path(tempfile.mkdtemp(dir=place.folder)), count, place.new_database)

    if only in (None, "rates"):
        yield from cases.carrying(ground(size.rows), size.rows)
    if only in (None, "lag"):
        yield cases.lag(ground(0), 500, size.seconds)
        yield {**cases.lag(ground(0), 10, size.seconds), "name": f"idle wake {engine}"}
    if only in (None, "capture"):
        yield from cases.capture(ground(20_000), 2000)
    if only in (None, "flips"):
        yield cases.pauses(ground(2000), size.flips, 4)


def _fast() -> str | None:
    """Memory, where there is some: what is measured is not the disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _machine() -> dict[str, object]:
    return {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_before": [round(each, 1) for each in os.getloadavg()],
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
