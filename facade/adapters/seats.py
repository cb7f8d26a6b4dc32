"""The facade's seats in the ledger: what it has taken of each slice, written beside the loop.

Whoever flips a slice waits for the facades that are there; one that cannot write its seat is not waited for.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping

from migration.core.slice_state import Seat, SliceState
from migration.ports import Ledger

_RENEW = 2.0  # seconds; a third of the time for which a seat counts


def facade_name() -> str:
    """A name that no other facade has, nor an earlier one on this machine."""
    return f"{socket.gethostname()[:100]}:{os.getpid()}:{secrets.token_hex(4)}"


class Seats:
    """What to say is told from the loop, and said by the thread that asks the ledger."""

    def __init__(self, facade: str, clock: Callable[[], float] = time.time) -> None:
        """`clock` tells UTC epoch seconds."""
        self.facade, self._clock = facade, clock
        self.wanted: Mapping[str, Seat] = {}
        self.changed = threading.Event()
        self._said: dict[str, Seat] = {}

    def want(self, slices: Mapping[str, SliceState], in_flight: Mapping[str, int]) -> None:
        """Say from now on that these rows were taken, with so many writes on their way."""
        seats = {
            name: Seat(self.facade, name, row.epoch, row.phase, in_flight.get(name, 0), 0.0, row.version)
            for name, row in slices.items()
        }
        if seats != self.wanted:
            self.wanted = seats
            self.changed.set()

    def say(self, ledger: Ledger) -> None:
        """Write what changed, and what must be renewed; LedgerError when that fails."""
        now = self._clock()
        for name, seat in self.wanted.items():
            before = self._said.get(name)
            if before is None or now - before.at >= _RENEW or now < before.at or _new(before, seat):
                said = Seat(seat.facade, name, seat.epoch, seat.phase, seat.in_flight, now, seat.version)
                ledger.take_seat(said)
                self._said[name] = said

    def leave(self, ledger: Ledger) -> None:
        """The facade ends; LedgerError when that cannot be said."""
        if self._said:
            self._said = {}
            ledger.leave_seats(self.facade)


def _new(before: Seat, seat: Seat) -> bool:
    return (before.version, before.epoch, before.phase, before.in_flight) != (
        seat.version,
        seat.epoch,
        seat.phase,
        seat.in_flight,
    )
