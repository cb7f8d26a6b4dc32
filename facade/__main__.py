"""`python -m facade PLAN [--workers N]`: the facade alone, until SIGTERM or SIGINT.

SIGHUP reloads the plan; SIGUSR1 replaces the workers, one after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from facade.bootstrap import serve
from facade.errors import FacadeError
from migration.errors import MigrationError

COULD_NOT_RUN = 3


async def _run(plan: Path, workers: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(plan, stop, workers)


def main(arguments: Sequence[str]) -> int:
    """Run; 3 when it could not start, with one sentence that says why."""
    parser = argparse.ArgumentParser(prog="python -m facade", description=__doc__)
    parser.add_argument("plan", type=Path, metavar="PLAN")
    parser.add_argument("--workers", type=_count, default=1, metavar="N", help="processes; one per core")
    given = parser.parse_args(arguments)
    try:
        asyncio.run(_run(given.plan, given.workers))
    except (FacadeError, MigrationError) as error:
        sys.stderr.write(f"{error}\n")
        return COULD_NOT_RUN
    return 0


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 256:
        raise ValueError
    return count


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
