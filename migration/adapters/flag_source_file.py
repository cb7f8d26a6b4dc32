"""The flag file: the JSON of Unleash's client API on disk, edited by the CLI."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path

import orjson

from migration.core.flags import FlagState
from migration.errors import FlagError

# A flag takes about 300 bytes; 8 MB are 25,000 flags, more than the largest Unleash projects hold.
MAX_BYTES = 8 * 1024 * 1024
TIMEOUT = 2.0  # seconds; a network file system that hangs must not hang us

_Stamp = tuple[int, int, int]


class FlagFile:
    """A flag source that is a file; a file that did not change is not parsed again."""

    def __init__(self, path: str | Path, clock: Callable[[], float]) -> None:
        """`clock` tells UTC epoch seconds."""
        self._path, self._clock = Path(path), clock
        self._kept: tuple[_Stamp, FlagState] | None = None
        self._reading: asyncio.Future[tuple[_Stamp, FlagState]] | None = None
        self._began = 0.0

    async def fetch(self) -> FlagState:
        """The state now."""
        reading = self._reading
        if reading is None or reading.done():
            self._began = self._clock()
            reading = self._reading = asyncio.ensure_future(asyncio.to_thread(self._read))
            reading.add_done_callback(_heard)
        try:
            async with asyncio.timeout(TIMEOUT):
                # One that hangs is waited for again, not begun again: each look would take a thread for ever,
                # until none was left for anybody, not even to end.
                stamp, state = await asyncio.shield(reading)
        except TimeoutError:
            raise FlagError(f"{self.describe()} does not answer within {TIMEOUT:.0f} s") from None
        self._kept = (stamp, state.at(self._began))
        return self._kept[1]

    async def close(self) -> None:
        """Nothing to let go of."""

    def describe(self) -> str:
        """Which source this is."""
        return f"the flag file {self._path}"

    def _read(self) -> tuple[_Stamp, FlagState]:
        try:
            # Without O_NONBLOCK opening a FIFO put in the file's place would wait for ever.
            handle = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as file:
                seen = os.fstat(file.fileno())
                stamp = (seen.st_ino, seen.st_mtime_ns, seen.st_size)
                if self._kept is not None and self._kept[0] == stamp:
                    return self._kept
                if not stat.S_ISREG(seen.st_mode):
                    raise FlagError(f"{self.describe()} is no file; name one in the plan")
                raw = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise FlagError(f"{self.describe()} cannot be read: {_reason(error)}; restore it") from None
        return stamp, parse(raw, self.describe())


def _heard(reading: asyncio.Future[tuple[_Stamp, FlagState]]) -> None:
    """Nobody may be waiting any more for what it says."""
    if not reading.cancelled():
        reading.exception()


def parse(raw: bytes, what: str) -> FlagState:
    """The flags in `raw`, the JSON of Unleash's client API; FlagError when they are none."""
    if len(raw) > MAX_BYTES:
        raise FlagError(f"{what} holds more than {MAX_BYTES} bytes; that is no set of flags")
    try:
        return FlagState.from_features(orjson.loads(raw))
    except (orjson.JSONDecodeError, ValueError) as error:
        raise FlagError(f"{what} holds no flags: {error}; restore it") from None


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
