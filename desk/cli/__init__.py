"""The command line: `main` is the only door; a command's module is imported when it is called."""

from __future__ import annotations

import signal
import sys

_INTERRUPTED = 130  # Exit.INTERRUPTED, of which nothing is imported yet


def main() -> None:
    """Run the command line and leave with one of the exit codes of `desk.errors.Exit`."""
    try:
        from desk.cli.door import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # before there was a door, or while it closed
        code = _INTERRUPTED
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while the interpreter ends, Ctrl-C is no traceback
    sys.exit(code)
