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
from pathlib import Path

from bench.sync import cases
from bench.sync.cases import Case
from bench.sync.ground import Ground, open_ground
from tools.servers.postgres import Postgres

RESULTS = Path(__file__).resolve().parents[1] / "results" / "sync.json"
SCHEMA = "bench.sync/1"


def main(arguments: Sequence[str]) -> int:
    """Measure and write; the numbers go to stdout too."""
    parser = argparse.ArgumentParser(prog="python -m bench.sync")
    parser.add_argument("--quick", action="store_true", help="some minutes: 50,000 rows instead of a million")
    parser.add_argument("--rows", type=int, help="rows of backfill, verify and the backlog")
    parser.add_argument("--flips", type=int, help="flips of each engine")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    rows = options.rows or (50_000 if options.quick else 1_000_000)
    flips = options.flips or (30 if options.quick else 300)
    found: list[Case] = []
    with ExitStack() as stack:
        server = stack.enter_context(Postgres())
        for engine in ("sqlite", "postgres"):
            for case in _measure(engine, rows, flips, 5 if options.quick else 20, server.database):
                print(json.dumps(case), flush=True)
                found.append(case)
    document = {"schema": SCHEMA, "machine": _machine(), "cases": found}
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    return 0


def _measure(
    engine: str, rows: int, flips: int, seconds: float, new_database: Callable[[], str]
) -> Iterator[Case]:
    def ground(count: int) -> Ground:
        folder = Path(tempfile.mkdtemp(prefix="strangler-bench-", dir=_fast()))
        return open_ground(engine, folder, count, new_database)

    yield from cases.carrying(ground(rows), rows)
    yield cases.lag(ground(0), 500, seconds)
    yield {**cases.lag(ground(0), 10, seconds), "name": f"idle wake {engine}"}
    yield from cases.capture(ground(20_000), 2000)
    yield cases.pauses(ground(2000), flips, 4)


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
