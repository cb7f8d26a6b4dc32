"""What can go wrong in this room, by whose fault it is."""

from __future__ import annotations


class SyncError(Exception):
    """The root: its message says what happened, where, and what to do next."""


class DatabaseAway(SyncError):
    """A database cannot be reached, answers no more, or refuses us; try again later."""


class SliceStopped(SyncError):
    """This slice may not go on before a person has looked: blind, restored, or without its triggers."""


class Overtaken(SyncError):
    """Somebody else went first: lease, epoch or authority row is not what it was. Nothing was done."""


class Busy(SyncError):
    """A lock could not be had in time; nothing was done, try again."""


class CannotApply(SyncError):
    """The follower's database refuses these keys for what is in them; nothing else was touched."""

    def __init__(self, problems: dict[tuple[str, tuple[object, ...]], str]) -> None:
        """`problems` says for each (entity, follower's key) what the database answered."""
        self.problems = problems
        super().__init__("; ".join(f"{entity} {key}: {why}" for (entity, key), why in problems.items()))


class Refused(SyncError):
    """What was asked for is not allowed now; the message names the cure."""


class PlanMismatch(SyncError):
    """The plan and the database do not fit: a table, a column or a key is not there or not as it must be."""


class NotCaptured(SyncError):
    """Capture is not installed on a side: nothing flows before it is."""
