"""Keeps the sums and writes them: every 250 ms, in one transaction, off the event loop, again when it failed.

Nothing waits for the store. What cannot be written stays counted in memory and is written later, whole; a
process that dies before that leaves it as `lost`, because the senders' totals say what was tapped.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from random import Random

import orjson

from shadow.core.accounts import Accounts
from shadow.core.rows import FAILURES, Batch, Snapshot
from shadow.core.tally import Tally
from shadow.errors import EvidenceError, EvidenceTakenOver
from shadow.ports import EvidenceStore

WRITE_EVERY = 0.25  # seconds
_REMIND = 30.0  # seconds between two lines about a store that keeps failing


class Recorder:
    """The sums of this process and their way into the store."""

    def __init__(
        self,
        store: EvidenceStore,
        tell: Callable[[str], None],
        clock: Callable[[], float],
        rng: Random,
    ) -> None:
        """`clock` gives epoch seconds."""
        self._store, self._tell, self._clock = store, tell, clock
        self._rng = rng
        self.writer = secrets.token_hex(8)
        self.tally = Tally(Snapshot(), rng)
        self.accounts = Accounts()
        self._failures: dict[str, object] = {"times": 0}
        self._failing_since: float | None = None
        self._told = 0.0
        self._lock = asyncio.Lock()

    async def open(self, stop: asyncio.Event) -> Mapping[str, int]:
        """Take the store over, however long it is away; returns what an earlier process lost, by route."""
        while not stop.is_set():
            try:
                snapshot = await asyncio.to_thread(self._store.take_over, self.writer)
            except EvidenceError as error:
                self._complain(error)
                await _wait(stop, 1.0)
                continue
            self._recovered()
            self.tally = Tally(snapshot, self._rng)
            self.accounts = Accounts(snapshot.counters)
            self._failures = {**self._failures, **orjson.loads(snapshot.meta.get(FAILURES, "{}"))}
            return self.accounts.settle()
        return {}

    async def run(self, stop: asyncio.Event) -> None:
        """Write until stopped; EvidenceTakenOver when another process took the store."""
        while not stop.is_set():
            await _wait(stop, WRITE_EVERY)
            await self.flush()

    async def flush(self) -> bool:
        """Write what changed; False when it could not be and waits for the next time."""
        async with self._lock:
            batch = self._batch()
            if not batch:
                return True
            try:
                await asyncio.to_thread(self._store.write, batch, self.writer)
            except EvidenceTakenOver:
                raise
            except EvidenceError as error:
                self._refused(batch, error)
                return False
            self._recovered()
            return True

    def _batch(self) -> Batch:
        changes = self.tally.changes()
        self.tally.taken()
        meta = {}
        if self._failing_since is not None:
            meta[FAILURES] = orjson.dumps(self._failures).decode()
        return Batch(
            changes.counts,
            changes.findings,
            changes.samples,
            changes.sessions,
            changes.closed,
            self.accounts.changed_rows(),
            meta,
        )

    def _refused(self, batch: Batch, error: EvidenceError) -> None:
        self.tally.refused(batch)
        self.accounts.refused(batch.counters)
        self._complain(error)
        times = self._failures.get("times", 0)
        self._failures = {
            "times": (times if isinstance(times, int) else 0) + 1,
            "last_at": self._clock(),
            "last_error": str(error)[:300],
        }

    def _complain(self, error: EvidenceError) -> None:
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = now
        elif now - self._told < _REMIND:
            return
        self._told = now
        self._tell(f"evidence_write_failed: {error}; counting goes on in memory, writing is tried again")

    def _recovered(self) -> None:
        if self._failing_since is not None:
            self._tell(f"evidence is written again after {self._clock() - self._failing_since:.0f} s")
            self._failing_since = None


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
