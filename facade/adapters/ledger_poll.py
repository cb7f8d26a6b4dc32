"""Reads the ledger beside the loop: one thread, one call at a time, whatever the database does.

A rollback is seen within one poll; a ledger that hangs, is locked or is gone leaves the last known rows.
While a flip is under way it is asked every 10 ms, because users' writes wait for the answer.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from facade.adapters.seats import Seats
from migration.core.effective import RouteState
from migration.core.slice_state import SlicePhase, SliceState
from migration.errors import LedgerError, MigrationError
from migration.ports import Ledger

_NOT_ASKED = "not asked yet"
_OFTEN = 0.01  # seconds between two looks while a flip is announced or under way


class Hearer(Protocol):
    """Who hears, on the poll's own thread, what changed."""

    def rows(self, rows: Mapping[str, RouteState]) -> None:
        """All rows of routes."""
        ...

    def slices(self, slices: Mapping[str, SliceState]) -> None:
        """All rows of slices."""
        ...


class LedgerPoll:
    """Tells of all rows whenever they changed, and says what was taken of them."""

    def __init__(
        self, connect: Callable[[], Ledger], every: float, hearer: Hearer, seats: Seats,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        """`connect` opens the ledger, again after each failure; `every` seconds it is asked."""
        self._connect, self._every, self._hearer, self._seats = connect, every, hearer, seats
        self._clock = clock
        self._stop = threading.Event()
        # A daemon: a driver that hangs in a dead network must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="ledger-poll", daemon=True)
        self._version: int | None = None
        self._slices: Mapping[str, SliceState] | None = None
        self.error: str | None = _NOT_ASKED
        self.seat_error: str | None = None
        self.read_at: float | None = None

    @property
    def looked(self) -> bool:
        """Whether the ledger was asked at least once, with whatever result."""
        return self.error != _NOT_ASKED

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    def stop(self) -> None:
        """End after the call that is under way; nothing is delivered any more."""
        self._stop.set()
        self._seats.changed.set()

    @property
    def runs(self) -> bool:
        """Whether its last call is not over yet."""
        return self._thread.is_alive()

    @property
    def age(self) -> float | None:
        """Seconds since the ledger was last read; None when it never was."""
        return None if self.read_at is None else time.monotonic() - self.read_at

    def _run(self) -> None:
        ledger: Ledger | None = None
        while not self._stop.is_set():
            self._seats.changed.clear()  # what is wanted from here on is said in this round or the next
            try:
                ledger = ledger or self._connect()
                self._poll(ledger)
                self._sit(ledger)
            except Exception as error:  # noqa: BLE001 - a driver may raise anything, and the poll goes on
                self.error = str(error) if isinstance(error, MigrationError) else repr(error)
                _close(ledger)
                ledger = None
            self._seats.changed.wait(self._pause())
        if ledger is not None:
            with contextlib.suppress(Exception):  # else the seat is stale in a few seconds
                self._seats.leave(ledger)
        _close(ledger)

    def _poll(self, ledger: Ledger) -> None:
        known, version = self._version, ledger.version()
        if known is not None and version < known:
            # An older copy was put in its place: what it allows may have been rolled back since.
            raise LedgerError(
                f"the ledger went back from version {known} to {version}; what was known before is served. "
                "Look at it with strangler audit, then restart the facade to follow it"
            )
        if version != known:
            self._read(ledger, None if known is None else version - known)
        self._version, self.error, self.read_at = version, None, time.monotonic()

    def _read(self, ledger: Ledger, changes: int | None) -> None:
        """The slices first: users' writes wait for them, and thousands of routes take a while."""
        before, slices = self._slices, ledger.slices()
        if slices != before and not self._stop.is_set():
            self._hearer.slices(slices)
        self._slices = slices
        if changes is None or before is None or _steps(slices) - _steps(before) != changes:
            rows = ledger.routes()
            if not self._stop.is_set():
                self._hearer.rows(rows)

    def _sit(self, ledger: Ledger) -> None:
        try:
            self._seats.say(ledger)
        except LedgerError as error:  # to read is what matters: a flip does not wait for us then
            self.seat_error = str(error)
        else:
            self.seat_error = None

    def _pause(self) -> float:
        now = self._clock()
        rows = (self._slices or {}).values()
        flips = any(row.phase is not SlicePhase.STEADY and now < row.hold_until for row in rows)
        return min(_OFTEN, self._every) if flips else self._every


def _steps(slices: Mapping[str, SliceState]) -> int:
    """How many changes of the ledger were changes of these rows."""
    return sum(row.version for row in slices.values())


def _close(ledger: Ledger | None) -> None:
    if ledger is not None:
        with contextlib.suppress(Exception):  # it is being given up because it does not work
            ledger.close()
