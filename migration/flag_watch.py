"""Follows a flag source: the last good state is kept through outages, and its age is known."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from migration.core.flags import FlagState
from migration.errors import FlagError
from migration.ports import FlagSource


class FlagWatch:
    """Polls `source` every `poll` seconds; stale when nothing was fetched for `stale_after` seconds."""

    def __init__(
        self,
        source: FlagSource,
        poll: float,
        clock: Callable[[], float],
        *,
        stale_after: float = 15.0,
        on_change: Callable[[FlagState], None] | None = None,
    ) -> None:
        """`clock` tells UTC epoch seconds; `on_change` is called with each new content of the flags.

        When it raises FlagError (the engine refuses them), the state before is kept.
        """
        self._source, self._poll, self._clock = source, poll, clock
        self._stale_after, self._on_change = stale_after, on_change
        self._wake = asyncio.Event()
        self.state: FlagState | None = None
        self.error: str | None = None

    @property
    def stale(self) -> bool:
        """Whether the last good state is older than `stale_after`, or there is none."""
        at = self.state.fetched_at if self.state is not None else None
        return at is None or self._clock() - at > self._stale_after

    def seed(self, state: FlagState) -> None:
        """Start from a state kept by an earlier process; it is as old as its `fetched_at` says."""
        if self.state is None:
            self.state = state

    def refresh(self) -> None:
        """Ask again now: a webhook said that something changed."""
        self._wake.set()

    async def poll_once(self) -> None:
        """Fetch once; a failure is kept in `error` and changes nothing else."""
        try:
            state = await self._source.fetch()
            changed = self.state is None or state.hash != self.state.hash
            if changed and self._on_change is not None:
                self._on_change(state)
        except FlagError as error:
            self.error = str(error)
        except Exception as error:  # noqa: BLE001 - whatever a source does, its follower lives on
            self.error = f"{self._source.describe()}: {type(error).__name__}: {error}"
        else:
            self.state, self.error = state, None

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await self.poll_once()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll):
                    await self._wake.wait()
            self._wake.clear()
