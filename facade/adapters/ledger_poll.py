"""Reads the ledger beside the loop: one thread, one call at a time, whatever the database does.

A rollback is seen within one poll; a ledger that hangs, is locked or is gone leaves the last known rows.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping

from migration.core.effective import RouteState
from migration.errors import LedgerError, MigrationError
from migration.ports import Ledger

_NOT_ASKED = "not asked yet"
Deliver = Callable[[Mapping[str, RouteState]], None]


class LedgerPoll:
    """Calls `deliver` with all rows whenever they changed, from its own thread."""

    def __init__(self, connect: Callable[[], Ledger], every: float, deliver: Deliver) -> None:
        """`connect` opens the ledger, again after each failure; `every` seconds it is asked."""
        self._connect, self._every, self._deliver = connect, every, deliver
        self._stop = threading.Event()
        # A daemon: a driver that hangs in a dead network must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="ledger-poll", daemon=True)
        self.error: str | None = _NOT_ASKED
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

    @property
    def age(self) -> float | None:
        """Seconds since the ledger was last read; None when it never was."""
        return None if self.read_at is None else time.monotonic() - self.read_at

    def _run(self) -> None:
        ledger: Ledger | None = None
        version: int | None = None
        while not self._stop.is_set():
            try:
                ledger = ledger or self._connect()
                version = self._poll(ledger, version)
            except Exception as error:  # noqa: BLE001 - a driver may raise anything, and the poll goes on
                self.error = str(error) if isinstance(error, MigrationError) else repr(error)
                _close(ledger)
                ledger = None
            self._stop.wait(self._every)
        _close(ledger)

    def _poll(self, ledger: Ledger, known: int | None) -> int:
        version = ledger.version()
        if known is not None and version < known:
            # An older copy was put in its place: what it allows may have been rolled back since.
            raise LedgerError(
                f"the ledger went back from version {known} to {version}; what was known before is served. "
                "Look at it with strangler audit, then restart the facade to follow it"
            )
        if version != known:
            rows = ledger.routes()
            if not self._stop.is_set():
                self._deliver(rows)
        self.error, self.read_at = None, time.monotonic()
        return version


def _close(ledger: Ledger | None) -> None:
    if ledger is not None:
        with contextlib.suppress(Exception):  # it is being given up because it does not work
            ledger.close()
