"""The command line: `main` is the only door; a command's module is imported when it is called."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

_INTERRUPTED = 130  # Exit.INTERRUPTED, of which nothing is imported yet


def main() -> NoReturn:
    """Run the command line and leave with one of the exit codes of `desk.errors.Exit`."""
    try:
        from facade.leaving import leave
        from facade.streams import all_there

        all_there()
        from desk.cli.door import run

        leave(run(sys.argv[1:]))
    except KeyboardInterrupt:  # before there was a door, or while it closed
        os._exit(_INTERRUPTED)
