"""The command line: `main` is the only door; a command's module is imported when it is called."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave with one of the exit codes of `desk.errors.Exit`."""
    from desk.cli.door import run

    sys.exit(run(sys.argv[1:]))
