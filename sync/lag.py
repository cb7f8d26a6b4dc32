"""How far the follower is behind: for how long what is pending at one moment waits until it is settled.

Not the age of the oldest mark: a mark is as old as the statement that made it, and a transaction that stayed
open for a second brings marks that are a second old when they can first be seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sync.errors import Busy, Overtaken
from sync.rounds import Lane, Work, run_round

LAG = 0.1  # seconds, unless a person allows more: a flip waits about twice as long with both sides closed
FEW = 1000  # changes: F2 drains and F3 compares so many within the pause
PATIENCE = 10.0  # seconds that a flip may work off a backlog before anybody is told of it
_STILL = 1.0  # seconds without a round, after which nobody relays
_TOLD_AFTER = 1.0
_LOOK = 0.01


@dataclass(frozen=True, slots=True)
class Lag:
    """`best`: the shortest time that a look has measured; None: nothing that was pending was settled.

    `limit`: how long it may be, in seconds.
    """

    best: float | None
    pending: int = 0
    why: str = ""  # what was in the way of our own rounds
    watched: bool = True  # no rounds of our own: a flip settles a few by itself
    limit: float = LAG

    @property
    def small(self) -> bool:
        """Whether the pause of a flip would be short."""
        return self.best is not None and self.best < self.limit and self.pending <= FEW

    @property
    def harmless(self) -> bool:
        """Whether a flip settles it before it closes anything: nobody relays, and little waits."""
        return self.small or (self.watched and self.best is None and self.pending <= FEW)

    @property
    def sentence(self) -> str:
        """Why it is not small, with the cure."""
        many = f"{self.pending:,}" if self.pending <= FEW else f"more than {FEW:,}"
        if self.best is None:
            why = f" ({self.why})" if self.why else ""
            return f"{many} pending changes that nobody settles{why}; does `strangler run sync` run?"
        return (
            f"{many} pending changes, which wait for {self.best * 1000:,.0f} ms and more (at most "
            f"{self.limit * 1000:,.0f} ms): the follower is catching up; see `strangler sync status`, and "
            "flip when fewer are written, or allow a longer pause with --max-lag SECONDS"
        )


def measure(
    lane: Lane,
    *,
    limit: float = LAG,
    settle: bool = False,
    patience: float = PATIENCE,
    busy: Callable[[], object] = lambda: None,
    tell: Callable[[str], None] = lambda _sentence: None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Lag:
    """Look until the lag is small, at most for `patience` seconds. The best look counts: a relay that keeps
    up comes to a small one again and again, whatever else the machine does.

    `settle`: where no relay is quick enough, rounds of our own; `busy` is called when somebody is in the way.
    """
    began = clock()
    best: float | None = None
    told = False
    ours = _Rounds(lane, busy, sleep)
    moved = (lane.follower.seen(lane.spec.name).round, began)
    while True:
        first = _pending(lane)
        took = _sample(lane, first, limit, lambda: sleep(_LOOK), clock)
        if took is None and settle:
            took = _sample(lane, _pending(lane), began + patience - clock(), ours, clock)
        best = took if best is None or (took is not None and took < best) else best
        found = Lag(best, len(first), ours.why, watched=not settle, limit=limit)
        now, number = clock(), lane.follower.seen(lane.spec.name).round
        moved = moved if number == moved[0] else (number, now)
        if found.small or now - began >= patience or (not settle and now - moved[1] > _STILL):
            return found
        if now - began > _TOLD_AFTER and not told:
            told = True
            tell(f"{len(first):,} changes wait: for up to {patience:.0f} s until the follower has caught up")


def _pending(lane: Lane) -> set[int]:
    acked = lane.follower.seen(lane.spec.name).acked_seq if lane.acks_on_follower else 0
    with lane.authority.snapshot(lane.spec.name) as view:
        return {each.seq for each in view.pending(acked, FEW + 1)}


def _sample(
    lane: Lane, left: set[int], within: float, wait: Callable[[], None], clock: Callable[[], float]
) -> float | None:
    """For how long these marks still wait; None when it is longer than `within`."""
    began = clock()
    while left:
        if clock() - began > within:
            return None
        wait()
        left = left & _pending(lane)
    return clock() - began


class _Rounds:
    """One round of our own a call."""

    def __init__(self, lane: Lane, busy: Callable[[], object], sleep: Callable[[float], None]) -> None:
        self._lane, self._busy, self._sleep = lane, busy, sleep
        self.why = ""

    def __call__(self) -> None:
        try:
            run_round(self._lane, Work())
        except Overtaken:
            self._sleep(2 * _LOOK)
        except Busy as error:
            self.why = str(error)
            self._busy()
            self._sleep(2 * _LOOK)
