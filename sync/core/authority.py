"""Who may write: the authority rows of the two sides read together, and what a relay may do under them.

Each side keeps one row (epoch, phase). Only some pairs of rows can come about; each has a name here, and a
pair without a name is refused. Whoever reads the two rows reads them one after the other, never at one
moment: the decisions hold because an epoch never falls, and because a row is changed by compare-and-set on
all of it. The exploration in tests/unit/sync runs every interleaving over this module and `sync.core.flip`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sync.core.values import Authority, Phase, Side


@dataclass(frozen=True, slots=True)
class Standing:
    """The authority rows of both sides, as they were read."""

    legacy: Authority
    extracted: Authority

    def on(self, side: Side) -> Authority:
        """The row of `side`."""
        return self.legacy if side is Side.LEGACY else self.extracted

    def __str__(self) -> str:
        """`legacy closed in epoch 3, extracted intent in epoch 4`."""
        return ", ".join(f"{side} {self.on(side).phase} in epoch {self.on(side).epoch}" for side in Side)


class Situation(StrEnum):
    """What a pair of rows means, for the side that is the authority and its follower."""

    STEADY = "steady"  # the authority is open
    CLOSED = "closed"  # closed for a flip; its follower has not been told yet
    INTENT = "intent"  # everything has been applied; the follower may open
    ABORTING = "aborting"  # the follower may not open any more; the authority has to open again


class Age(StrEnum):
    """The follower's epoch beside the authority's."""

    OLDER = "older"
    SAME = "same"
    NEXT = "next"  # by exactly one
    LATER = "later"


O, C, I, X = Phase.OPEN, Phase.CLOSED, Phase.INTENT, Phase.ABORTED  # noqa: E741 - the table's shorthand
SITUATIONS: dict[tuple[Phase, Phase, Age], Situation] = {
    # authority, follower, the follower's epoch
    (O, C, Age.OLDER): Situation.STEADY,
    (O, X, Age.OLDER): Situation.STEADY,
    (C, C, Age.OLDER): Situation.CLOSED,
    (C, X, Age.OLDER): Situation.CLOSED,
    (C, I, Age.NEXT): Situation.INTENT,
    (C, X, Age.NEXT): Situation.ABORTING,
}
"""A pair that is not here cannot come about by our own steps: a restore, or a row edited by hand."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the slice stands: who is the authority, by which epoch, in what situation."""

    authority: Side
    epoch: int
    situation: Situation

    @property
    def follower(self) -> Side:
        """The side that is kept in step."""
        return self.authority.other


@dataclass(frozen=True, slots=True)
class Swap:
    """One compare-and-set of the authority row of `side`; the flow executes it, or finds it lost."""

    side: Side
    expected: Authority
    new: Authority


def age(authority: Authority, follower: Authority) -> Age:
    """The follower's epoch beside the authority's."""
    ahead = follower.epoch - authority.epoch
    if ahead < 0:
        return Age.OLDER
    return (Age.SAME, Age.NEXT)[ahead] if ahead < 2 else Age.LATER


def situation(authority: Authority, follower: Authority) -> Situation | None:
    """What this pair means if the first is the authority's row; None: the first is not the authority."""
    return SITUATIONS.get((authority.phase, follower.phase, age(authority, follower)))


def place(standing: Standing) -> Place | None:
    """Where the slice stands; None when no step of ours leads to these two rows."""
    for side in Side:
        found = situation(standing.on(side), standing.on(side.other))
        if found:
            return Place(side, standing.on(side).epoch, found)
    return None


def broken(standing: Standing) -> str:
    """The sentence about two rows that do not belong together, with the cure."""
    swap = mend(standing)
    cure = (
        f"`strangler flip SLICE --resume` sets {swap.side} to {swap.new.phase}, then a full verify decides"
        if swap
        else "restore both databases from backups of one moment, or remove capture and begin anew"
    )
    return (
        f"{standing}: no step of a flip leads there, so a database was restored or its row was edited; "
        f"nothing is moved until this is settled: {cure}"
    )


def mend(standing: Standing) -> Swap | None:
    """What may be done about rows that do not belong together: take away what an older row still promises.

    After a restore the side with the lower epoch speaks of the past: if it says open, or intent, somebody
    could write there (or open it) beside the other side. That is ended first; what was lost is for verify.
    """
    if place(standing):
        return None
    for side in Side:
        row, other = standing.on(side), standing.on(side.other)
        if row.epoch < other.epoch and row.phase in AFTER_RESTORE:
            return Swap(side, row, Authority(row.epoch, AFTER_RESTORE[row.phase]))
    return None


AFTER_RESTORE = {Phase.OPEN: Phase.CLOSED, Phase.INTENT: Phase.ABORTED}
"""What an older row's promise is turned into."""


@dataclass(frozen=True, slots=True)
class Direction:
    """What a relay may run: rounds from `source` to the other side, with this epoch."""

    source: Side
    epoch: int
    draining: bool  # the source is closed: what is pending now is all there will be


def direction(legacy: Authority, extracted: Authority) -> Direction | None:
    """The one direction that data may flow in now; None when the rows do not belong together."""
    here = place(Standing(legacy, extracted))
    if here is None:
        return None
    return Direction(here.authority, here.epoch, here.situation is not Situation.STEADY)


def may_round(follower: Authority, lease_epoch: int, authority: Authority | None, epoch: int) -> str:
    """Why a round that was started for `epoch` has to be given up now; "" when it may go on.

    Asked with the follower's lease row locked (or unmoved until the commit), after it both rows are read.
    """
    if authority is None:
        return (
            "the source has no authority row (capture was removed there): `strangler capture install SLICE`"
        )
    if authority.epoch != epoch:
        return f"this relay runs for epoch {epoch}, and its source is at epoch {authority.epoch} by now"
    if lease_epoch > epoch:
        return f"this relay runs for epoch {epoch}, and the follower has already seen epoch {lease_epoch}"
    if situation(authority, follower) is None:
        return (
            f"the source is {authority.phase} in epoch {authority.epoch} and the target {follower.phase} in "
            f"epoch {follower.epoch}: data does not flow this way"
        )
    return ""


def fence_value(row: Authority) -> int:
    """What the fence's sequence has to hold for this row: odd is open."""
    return 2 * row.epoch + row.open


def fence_open(last_value: int, row: Authority | None) -> bool:
    """Whether a writer may pass who sees this row (maybe an old one) and this value (always the newest)."""
    return row is not None and row.open and last_value == fence_value(row)
