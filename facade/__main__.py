"""`python -m facade PLAN`: the facade alone, until SIGTERM or SIGINT; SIGHUP reloads the plan."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from facade.bootstrap import serve
from facade.errors import FacadeError
from migration.errors import MigrationError

COULD_NOT_RUN = 3


async def _run(plan: Path) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(plan, stop)


def main(arguments: list[str]) -> int:
    """Run; 3 when it could not start, with one sentence that says why."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m facade PLAN\n")
        return 2
    try:
        asyncio.run(_run(Path(arguments[0])))
    except (FacadeError, MigrationError) as error:
        sys.stderr.write(f"{error}\n")
        return COULD_NOT_RUN
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
