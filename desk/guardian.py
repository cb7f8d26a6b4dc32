"""Outlives `strangler up` by seconds, to take its children with it when it was killed without a chance.

Run as a script: reads `+PGID` and `-PGID` lines from stdin; at the end of stdin (the kernel brings it about,
however the supervisor died) it ends every process group still listed: SIGTERM, and after the grace SIGKILL.
It imports nothing of ours, so that no edit elsewhere can break it, and works wherever there are pipes;
PR_SET_PDEATHSIG, which the supervisor sets as well, exists on Linux alone and reaches only direct children.
"""

from __future__ import annotations

import os
import signal
import sys
import time

GRACE = 5.0  # seconds; a facade that drains needs less when its clients' supervisor is already dead


def main() -> None:
    """Follow the list until the pipe breaks, then end what is left."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    end(follow())


def follow() -> set[int]:
    """The process groups still listed when stdin ended."""
    groups: set[int] = set()
    for line in sys.stdin:
        change = groups.add if line.startswith("+") else groups.discard
        change(int(line[1:]))
    return groups


def end(groups: set[int]) -> None:
    """SIGTERM to all, SIGKILL to those that are left after the grace."""
    deadline = time.monotonic() + GRACE
    _send(groups, signal.SIGTERM)
    while (groups := {group for group in groups if _lives(group)}) and time.monotonic() < deadline:
        time.sleep(0.05)
    _send(groups, signal.SIGKILL)


def _send(groups: set[int], number: signal.Signals) -> None:
    for group in groups:
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):
            continue


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS answers this for a group of zombies
        return False
    return True


if __name__ == "__main__":
    main()
