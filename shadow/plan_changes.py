"""Notices that the plan changed: SIGHUP, or another time or size of a TOML file in its folder."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path

_LOOK_EVERY = 0.5  # seconds
_MOST_FILES = 2000


class PlanChanges:
    """Waits for the next change of the plan at `path`."""

    def __init__(self, path: str | Path) -> None:
        """Start from the files as they are now; SIGHUP counts where signals can be had."""
        self._folder = Path(path).parent
        self._seen = self._look()
        self._asked = asyncio.Event()
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._asked.set)

    async def next(self) -> None:
        """Return when the plan should be read again."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY):
                    await self._asked.wait()
                self._asked.clear()
                self._seen = self._look()
                return
            found = await asyncio.to_thread(self._look)
            if found != self._seen:
                self._seen = found
                return

    def _look(self) -> frozenset[tuple[str, int, int]]:
        found: set[tuple[str, int, int]] = set()
        for pattern in ("*.toml", "*/*.toml"):
            for file in self._folder.glob(pattern):
                with contextlib.suppress(OSError):
                    state = file.stat()
                    found.add((str(file), state.st_mtime_ns, state.st_size))
                if len(found) >= _MOST_FILES:
                    return frozenset(found)
        return frozenset(found)
