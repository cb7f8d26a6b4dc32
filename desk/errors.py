"""What can go wrong at the desk, and the exit codes that tell it to a script."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of every command."""

    YES = 0
    NO = 1
    USAGE = 2
    COULD_NOT_RUN = 3
    NOT_ENOUGH = 4
    INTERRUPTED = 130


MEANING = {
    Exit.YES: "yes, done",
    Exit.NO: "the gate (or the check) says no",
    Exit.USAGE: "the command was not understood",
    Exit.COULD_NOT_RUN: "could not run; the message says what to do",
    Exit.NOT_ENOUGH: "not enough evidence yet",
    Exit.INTERRUPTED: "interrupted",
}


class DeskError(Exception):
    """The root: its message says what happened, where, and which command to type next."""

    code = Exit.COULD_NOT_RUN


class UsageProblem(DeskError):
    """What was typed names something that does not exist or cannot be."""

    code = Exit.USAGE


class Refusal(DeskError):
    """The gate says no."""

    code = Exit.NO
