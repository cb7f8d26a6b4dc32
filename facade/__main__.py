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
from typing import NoReturn

from facade.errors import FacadeError
from facade.leaving import leave
from facade.streams import all_there
from migration.errors import MigrationError

COULD_NOT_RUN, INTERRUPTED = 3, 130


async def _run(plan: Path, workers: int) -> NoReturn:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # Imported here: it takes a while, and a signal meanwhile must find us prepared.
    from facade.bootstrap import serve

    try:
        await serve(plan, stop, workers)
    except (FacadeError, MigrationError) as error:
        sys.stderr.write(f"{error}\n")
        leave(COULD_NOT_RUN)
    leave(0)


def main(arguments: Sequence[str]) -> int:
    """Run; 3 when it could not start, with one sentence that says why."""
    parser = argparse.ArgumentParser(prog="python -m facade", description=__doc__)
    parser.add_argument("plan", type=Path, metavar="PLAN")
    parser.add_argument("--workers", type=_count, default=1, metavar="N", help="processes; one per core")
    all_there()
    for number in (signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)  # until there is a plan to read again, and workers to replace
    given = parser.parse_args(arguments)
    try:
        asyncio.run(_run(given.plan, given.workers))
    except KeyboardInterrupt:  # before there was a loop to hear of it
        return INTERRUPTED


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 256:
        raise ValueError
    return count


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
