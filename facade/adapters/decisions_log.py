"""A log of every decision, one JSON line a request: asked for by a setting, written beside the loop.

Nothing waits for the disk: what it cannot take in time is dropped, and counted.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Sequence
from pathlib import Path

import orjson

from facade.adapters.log import Log
from facade.adapters.metrics_text import Counter
from facade.adapters.telling import route_of
from facade.ports import Finished

SETTING = "STRANGLER_FACADE_DECISIONS_LOG"
_EVERY = 0.1  # seconds between two writes
_LAST = 1.0  # seconds at the end for each of the two batches that may be left
_MOST = 20_000  # lines that wait: two seconds of 10,000 requests each


class DecisionsLog:
    """Appends to one file, in whole lines, so that several workers may share it."""

    def __init__(self, path: Path, dropped: Counter, log: Log) -> None:
        """The file is opened for each batch: who rotates it needs to tell nobody."""
        self._path, self._dropped, self._log = path, dropped, log
        self._waiting: list[tuple[float, Finished]] = []
        self._task: asyncio.Task[None] | None = None
        self._writing: asyncio.Future[None] | None = None

    def take(self, at: float, what: Finished) -> None:
        """Write this one with the next batch; when too many wait, count it instead."""
        if len(self._waiting) < _MOST:
            self._waiting.append((at, what))
        else:
            self._dropped.add()

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run())

    async def end(self) -> None:
        """Write what is left, after the batch that is under way; a disk that hangs is not waited for."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            if self._writing is not None:
                await asyncio.wait({self._writing}, timeout=_LAST)
            await asyncio.wait({asyncio.ensure_future(self._write())}, timeout=_LAST)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            # Shielded: a batch that is under way at the end is not written twice.
            self._writing = asyncio.ensure_future(self._write())
            await asyncio.shield(self._writing)

    async def _write(self) -> None:
        batch, self._waiting = self._waiting, []
        if not batch:
            return
        try:
            await asyncio.to_thread(_append, self._path, batch)
        except OSError as error:
            self._dropped.add(by=len(batch))
            self._log.seldom("decisions", "decisions_not_logged", path=str(self._path), problem=str(error))


def _append(path: Path, batch: Sequence[tuple[float, Finished]]) -> None:
    data = lines(batch)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # One call for the batch: of several workers' batches none lands in the middle of another.
        if os.write(handle, data) < len(data):
            raise OSError(errno.ENOSPC, "the disk is full")
    finally:
        os.close(handle)


def lines(batch: Sequence[tuple[float, Finished]]) -> bytes:
    """The lines of a batch, made by one call of orjson: one a line takes three times as long (measured)."""
    entries: list[dict[str, object]] = [
        {
            "at": int(at * 1000) / 1000, "id": what.request_id, "route": route_of(what),
            "side": what.side, "status": what.status, "outcome": what.outcome, "why": what.why,
            "ms": int(what.seconds * 100_000) / 100,
        }
        for at, what in batch
    ]  # fmt: skip
    for entry, (_, what) in zip(entries, batch, strict=True):
        if what.write is not None:
            entry["epoch"] = what.write.epoch
            if what.write.spans(what.status):
                entry["epoch_after"] = what.write.epoch_after
    text = orjson.dumps(entries)
    # Within a string the quote would be escaped, so this is found between two requests only.
    return text[1:-1].replace(b'},{"at":', b'}\n{"at":') + b"\n"
