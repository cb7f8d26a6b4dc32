"""From whatever happens inside a command to an exit code and one paragraph; never a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from desk.cli import telling
from desk.cli.commands import cli
from desk.errors import DeskError, Exit


def run(argv: Sequence[str]) -> int:
    """Run one command line; returns the exit code."""
    try:
        return _flushed(_code(cli.main(args=list(argv), prog_name="strangler", standalone_mode=False)))
    except click.exceptions.Exit as asked:
        return asked.exit_code
    except (click.Abort, KeyboardInterrupt):
        telling.complain("Interrupted.")
        return Exit.INTERRUPTED
    except SystemExit:  # click's own: writing its help page it met a broken pipe
        telling.complain("Nobody reads what was asked for.")
        return Exit.COULD_NOT_RUN
    except Exception as error:  # noqa: BLE001 - the last door: everything becomes one paragraph here
        return _explain(error)


def _code(result: object) -> int:
    return int(result) if isinstance(result, int) else Exit.YES


def _flushed(code: int) -> int:
    sys.stdout.flush()
    return code


def _explain(error: Exception) -> int:
    if isinstance(error, click.UsageError):
        return _explain_usage(error)
    if isinstance(error, click.ClickException):
        telling.complain(error.format_message())
        return Exit.COULD_NOT_RUN
    if isinstance(error, DeskError):
        telling.complain(str(error))
        return error.code
    return _explain_foreign(error)


def _explain_usage(error: click.UsageError) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        telling.complain(error.format_message())
        return Exit.USAGE
    where = error.ctx.command_path if error.ctx is not None else "strangler"
    telling.complain(f"{error.format_message()}\nNext: {where} --help")
    return Exit.USAGE


def _explain_foreign(error: Exception) -> int:
    from desk.blame import paragraph  # imports the other rooms: only when something went wrong

    if os.environ.get("STRANGLER_DEBUG"):
        import traceback

        telling.complain("".join(traceback.format_exception(error)))
    telling.complain(paragraph(error))
    return Exit.COULD_NOT_RUN
