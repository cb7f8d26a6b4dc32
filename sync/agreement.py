"""Brings the ledger's row of a slice to what its databases say: the facades believe the row.

A flipper that was killed leaves it at `flipping`, and a ledger that was away when a flip ended missed its
last word: writes would wait, and be answered 503, until somebody looks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from migration.errors import LedgerError
from sync.core.authority import Situation, Standing, place
from sync.errors import SyncError

EVERY = 2.0  # seconds; beside the ten for which a flip under way is left alone


class Both(Protocol):
    """The two databases; `sync.relay.Sessions`."""

    def standing(self) -> Standing:
        """The authority rows of both sides."""
        ...

    def forget(self) -> None:
        """Let go of connections."""
        ...


class Row(Protocol):
    """The ledger's row; `migration.announce.LedgerAnnouncer`."""

    def agree(self, authority: str, epoch: int) -> bool:
        """Mend it; whether it had to be."""
        ...


class Agreement:
    """One thread's work for one slice, in the process that leads it."""

    def __init__(
        self, both: Both, row: Row, wait: Callable[[float], bool], tell: Callable[[str], None]
    ) -> None:
        """`wait(seconds)` sleeps and says whether to stop; `tell` takes a sentence."""
        self._both, self._row, self._wait, self._tell = both, row, wait, tell

    def run(self) -> None:
        """Until `wait` says stop."""
        try:
            while not self._wait(EVERY):
                self.once()
        finally:
            self._both.forget()

    def once(self) -> None:
        """One look. What is half done is left to others, what cannot be read now to the next look."""
        try:
            here = place(self._both.standing())
        except SyncError:
            self._both.forget()
            return
        if here is None or here.situation is not Situation.STEADY:
            return
        try:
            if self._row.agree(here.authority.value, here.epoch):
                self._tell(f"the ledger was told: {here.authority} takes the writes, in epoch {here.epoch}")
        except LedgerError:
            return
