"""Follows the ledger and the flags for one running facade, and keeps what was last known on disk."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from facade.adapters.ledger_poll import LedgerPoll
from facade.adapters.log import Log
from facade.adapters.seats import Seats, facade_name
from facade.adapters.state_file import StateFile
from facade.live import Live
from migration.bootstrap import open_flag_source, open_ledger
from migration.core.effective import RouteState
from migration.core.flags import FlagState
from migration.core.plan import FlagSettings
from migration.core.slice_state import SlicePhase, SliceState
from migration.errors import MigrationError
from migration.flag_watch import FlagWatch
from migration.ports import FlagSource

# Seconds for the last call of the poll, which gives back its seats, and for the last state that is saved.
_LEAVING = 2.5


class Hearer(Protocol):
    """Who is told of each change: the workers."""

    def rows(self, states: Mapping[str, RouteState]) -> None:
        """The ledger's rows are these now."""
        ...

    def slices(self, slices: Mapping[str, SliceState]) -> None:
        """The ledger's rows of slices are these now."""
        ...

    def flags(self, state: FlagState) -> None:
        """The flags are these now."""
        ...

    def fetched(self, at: float | None) -> None:
        """The flags were fetched again, and are the same; None: nothing was fetched of this source yet."""
        ...


class _OnLoop:
    """Brings what a poll says to the loop."""

    def __init__(self, following: Following, loop: asyncio.AbstractEventLoop) -> None:
        self._following, self._loop = following, loop

    def rows(self, rows: Mapping[str, RouteState]) -> None:
        """All rows of routes."""
        self._soon(self._following.take_rows, rows)

    def slices(self, slices: Mapping[str, SliceState]) -> None:
        """All rows of slices."""
        self._soon(self._following.take_slices, slices)

    def _soon(self, take: Callable[[_OnLoop, Any], None], found: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may have ended meanwhile
            self._loop.call_soon_threadsafe(take, self, found)


class Following:
    """One flag source and one ledger at a time; either may be away for as long as it likes."""

    def __init__(self, live: Live, saved: StateFile, log: Log, ledger_poll: float, hearer: Hearer) -> None:
        """`ledger_poll` seconds between two looks at the ledger."""
        self._live, self._saved, self._log, self._every = live, saved, log, ledger_poll
        self._hearer = hearer
        self._fetched: float | None = None
        self._source: FlagSource | None = None
        self._watch: FlagWatch | None = None
        self._watching: asyncio.Task[None] | None = None
        self._poll: LedgerPoll | None = None
        self._heard: _OnLoop | None = None
        self.seats = Seats(facade_name())
        self._slices: Mapping[str, SliceState] = {}
        self._blind = False
        self._saving: asyncio.Future[None] | None = None
        self._save_again = False

    @property
    def flags(self) -> tuple[FlagState, ...]:
        """Whoever starts now starts from these: what is evaluated, then what the engine refused since."""
        taken, last = self._live.flags, self._watch.state if self._watch is not None else None
        if taken is None or last is None or taken.hash == last.hash:
            return tuple(state for state in (last or taken,) if state is not None)
        return taken, last

    @property
    def fetched_at(self) -> float | None:
        """When the flags were fetched last from the source that is followed; None: never."""
        return self._watch.state.fetched_at if self._watch is not None and self._watch.state else None

    @property
    def ledger_problem(self) -> str | None:
        """Why the ledger could not be read, or None."""
        return self._poll.error if self._poll is not None else "not followed"

    @property
    def seat_problem(self) -> str | None:
        """Why a flip does not wait for this facade, or None."""
        return self._poll.seat_error if self._poll is not None else None

    @property
    def ledger_age(self) -> float | None:
        """Seconds since the ledger was read; None when it never was."""
        return self._poll.age if self._poll is not None else None

    @property
    def flags_problem(self) -> str | None:
        """Why the flags could not be read, or None."""
        return self._live.flag_problem or (self._watch.error if self._watch is not None else "not followed")

    @property
    def flags_stale(self) -> bool:
        """Whether the flags are too old to be believed."""
        return self._watch is None or self._watch.stale

    def follow_flags(self, settings: FlagSettings, seed: FlagState | None) -> None:
        """Follow a source from now on; `seed` is what an earlier process or source knew."""
        self._source = open_flag_source(settings, time.time)
        self._watch = FlagWatch(
            self._source,
            settings.poll,
            time.time,
            stale_after=settings.stale_after,
            on_change=self._flags_changed,
        )
        if seed is not None:
            self._watch.seed(seed)
        self._live.follow(self._watch)
        self._watching = asyncio.create_task(self._watch.run(), name="flags")

    def follow_ledger(self, url: str) -> None:
        """Follow the ledger at `url` from now on."""
        if self._poll is not None:
            self._poll.stop()
            self.seats = Seats(facade_name())
        self._heard = _OnLoop(self, asyncio.get_running_loop())
        # Never created here: a ledger that is missing is an outage, not a fresh start.
        self._poll = LedgerPoll(lambda: open_ledger(url, create=False), self._every, self._heard, self.seats)
        self._poll.start()

    async def unfollow_flags(self) -> None:
        """Let go of the flag source."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        if self._source is not None:
            with contextlib.suppress(MigrationError, OSError):
                await self._source.close()

    async def end(self) -> None:
        """Let go of both, and of the file."""
        if self._poll is not None:
            self._poll.stop()
            deadline = time.monotonic() + _LEAVING
            # No thread of the executor's waits for it: where a disk hangs, all of them may hang with it.
            while self._poll.runs and time.monotonic() < deadline:  # noqa: ASYNC110 - a thread tells nobody
                await asyncio.sleep(0.01)
        await self.unfollow_flags()
        deadline = time.monotonic() + _LEAVING
        while self._saving is not None and time.monotonic() < deadline:  # each may be followed by one more
            await asyncio.wait({self._saving}, timeout=_LEAVING)
            await asyncio.sleep(0)

    async def first_look(self, seconds: float) -> None:
        """Wait until both have been looked at once, with whatever result, but no longer than `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._looked:  # noqa: ASYNC110 - a thread answers
            await asyncio.sleep(0.01)

    @property
    def _looked(self) -> bool:
        poll, watch = self._poll, self._watch
        if poll is None or watch is None:
            return False
        return poll.looked and (watch.error is not None or not watch.stale)

    async def tick(self) -> None:
        """Look at the age of the flags, for ever."""
        while True:
            await asyncio.sleep(self._every)
            self._live.check_age()
            self._look_for_outage(time.time())
            if self.fetched_at != self._fetched:
                self._fetched = self.fetched_at
                self._hearer.fetched(self._fetched)

    def take_rows(self, heard: _OnLoop, rows: Mapping[str, RouteState]) -> None:
        """The ledger's rows of routes changed."""
        if heard is self._heard:
            self._live.set_states(rows)
            self._hearer.rows(rows)
            self._save()

    def take_slices(self, heard: _OnLoop, slices: Mapping[str, SliceState]) -> None:
        """The ledger's rows of slices changed."""
        if heard is self._heard:
            self._slices, self._blind = slices, False
            self._tell_slices(slices)

    def _tell_slices(self, slices: Mapping[str, SliceState]) -> None:
        self._live.set_slices(slices, ledger_read=True)
        self._hearer.slices(slices)
        self._save()

    def _look_for_outage(self, now: float) -> None:
        """An announced flip may go on without us: writes wait until the ledger is back, or it is over."""
        blind = self.ledger_problem is not None and any(_announced(row, now) for row in self._slices.values())
        if blind != self._blind:
            self._blind = blind
            rows = self._slices.items()
            unknown = {
                name: replace(row, phase=SlicePhase.UNKNOWN) if blind and _announced(row, now) else row
                for name, row in rows
            }
            self._tell_slices(unknown)

    def _flags_changed(self, state: FlagState) -> None:
        self._live.set_flags(state)
        self._hearer.flags(state)
        self._save()

    def _save(self) -> None:
        """Write the file beside the loop, one write at a time; the last state wins."""
        if self._saving is not None:
            self._save_again = True
            return
        states, slices, flags = dict(self._live.states), dict(self._live.slices), self._live.flags
        self._saving = asyncio.ensure_future(asyncio.to_thread(self._saved.save, states, slices, flags))
        self._saving.add_done_callback(self._was_saved)

    def _was_saved(self, saving: asyncio.Future[None]) -> None:
        self._saving = None
        error = None if saving.cancelled() else saving.exception()
        if error is not None:
            self._log.seldom("state", "state_not_saved", problem=str(error))
        if self._save_again:
            self._save_again = False
            self._save()


def _announced(row: SliceState, now: float) -> bool:
    return row.phase is SlicePhase.ANNOUNCED and now < row.hold_until
