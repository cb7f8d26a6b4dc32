"""What several workers share, when a dead one is replaced, and when a silent one counts as dead."""

from __future__ import annotations

from dataclasses import replace

from migration.core.plan import Plan

# The first death is an accident: nobody waits for it. A worker that dies again and again, young, must not
# use the machine up by starting.
_PAUSES = (0.0, 0.1, 1.0, 5.0)
GROWN_UP = 10.0  # seconds of service after which earlier deaths are forgotten


def deaths_in_a_row(before: int, lived: float) -> int:
    """How many workers in a row died young, with the one that served `lived` seconds."""
    return 1 if lived >= GROWN_UP else before + 1


def pause_after(deaths: int) -> float:
    """Seconds until the next start, after `deaths` in a row."""
    return _PAUSES[min(deaths, len(_PAUSES)) - 1]


def share_of(plan: Plan, workers: int) -> Plan:
    """The plan for one of `workers` processes: what is limited is limited in all of them together."""
    whole = plan.facade
    share = replace(
        whole,
        max_connections=_up(whole.max_connections, workers),
        max_in_flight=_up(whole.max_in_flight, workers),
    )
    return replace(plan, facade=share)


def _up(limit: int, workers: int) -> int:
    return max(1, -(-limit // workers))


class Silence:
    """How long a worker has said nothing, in time in which we could have heard it.

    Where the whole machine, or the whole tree of processes, stood still (SIGSTOP, a suspended laptop), the
    worker had no chance to speak: of a gap between two looks only `most` counts.
    """

    def __init__(self, now: float, most: float) -> None:
        """Begin to listen at `now`; `most` seconds of one gap count."""
        self.seconds = 0.0
        self._looked, self._most = now, most

    def heard(self) -> None:
        """The worker said something."""
        self.seconds = 0.0

    def look(self, now: float) -> float:
        """The seconds of silence until `now`."""
        self.seconds += min(now - self._looked, self._most)
        self._looked = now
        return self.seconds
