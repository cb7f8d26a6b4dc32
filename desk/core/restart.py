"""What the supervisor does about a process that ended."""

from __future__ import annotations

from dataclasses import dataclass

CONFIGURATION = 3  # the exit code of a process that cannot run as it is told: asking again would not help

# The first restart comes quickly, because most deaths are accidents; the ceiling keeps a process that
# cannot live from using the machine up, and is short enough for somebody who watches.
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0
HEALTHY_AFTER = 20.0  # seconds of life after which earlier deaths are forgotten


@dataclass(frozen=True, slots=True)
class Restart:
    """Start it again after `pause` seconds; `deaths` are the quick ones in a row so far."""

    pause: float
    deaths: int


@dataclass(frozen=True, slots=True)
class StopAll:
    """Stop everything and leave with `code`."""

    code: int


def after_death(code: int, lived: float, deaths: int) -> Restart | StopAll:
    """What to do about an end with `code` after `lived` seconds and `deaths` quick ends before it."""
    if code == CONFIGURATION:
        return StopAll(CONFIGURATION)
    count = 1 if lived >= HEALTHY_AFTER else deaths + 1
    return Restart(min(FIRST_PAUSE * 2.0 ** (count - 1), LONGEST_PAUSE), count)


def ending(code: int) -> str:
    """How it ended, in words: "exit code 1", "killed by signal 9"."""
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
