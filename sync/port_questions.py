"""What a flip asks of a side beforehand: tried and taken back, or looked at. Part of `sync.ports.Session`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sync.core.collations import Collations
from sync.core.records import Rehearsed
from sync.core.rounds import Named
from sync.core.values import Applied, Change


class Questions(Protocol):
    """Nothing of it is ever committed, and nobody waits for it longer than for a write of their own."""

    def try_opening(self, slice_name: str) -> None:
        """Do all that opening this side asks of its database, and take it back.

        Raises what opening would raise; Refused names a right that is missing, and the grant. On an open side
        the writers' lock is left alone. Busy: a lock could not be had in time.
        """
        ...

    def rehearse(self, slice_name: str, changes: Sequence[Change]) -> Rehearsed:
        """Apply these rows as a round would if this side were closed, and take it back.

        Each row is tried as one that is new here, and one that is refused so as a change of the row that is
        there. On PostgreSQL rows that somebody writes just now are left out; on SQLite the file is locked for
        milliseconds: give some tens of rows at a time. Busy.
        """
        ...

    def collations(self, slice_name: str) -> Collations:
        """How this side compares and sorts the text of mapped columns."""
        ...

    def changed_since(self, slice_name: str, number: int, lines: int) -> set[Named] | None:
        """The keys (the service's) that rounds after `number` changed here, by the newest lines of the log.

        None when `number` lies further back than that, or than the log. The newest round first: cheap.
        """
        ...

    def applied_since(self, slice_name: str, number: int, most: int) -> Sequence[Applied] | None:
        """What rounds after `number` applied here; None when it is more than `most`. Reads all of the map."""
        ...
