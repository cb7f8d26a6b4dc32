"""Edits of the flag file: one editor at a time, and a reader sees the old file or the new one, never half."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from migration.adapters.flag_source_file import MAX_BYTES, parse
from migration.core.flag_edits import create_missing, empty_document, set_kill, set_share
from migration.errors import FlagError

LOCK_TIMEOUT = 2.0  # seconds; an edit takes milliseconds
_RETRY = 0.01

Document = Mapping[str, Any]


class FlagFileWriter:
    """Changes flags in a file; the file is created by the first change."""

    def __init__(self, path: str | Path) -> None:
        """The lock file stands beside it, because the file itself is replaced by each edit."""
        self._path = Path(path)
        self._lock = self._path.with_name(self._path.name + ".lock")

    async def set_rollout(self, flag: str, pct: int) -> None:
        """Set a flag's share 0..100 and switch it on."""
        await asyncio.to_thread(self._edit, lambda document: set_share(document, flag, pct))

    async def ensure(self, flags: Iterable[str]) -> tuple[str, ...]:
        """Create the missing flags at 0 %."""
        names = tuple(flags)
        created: list[str] = []

        def add(document: Document) -> Document:
            fresh, missing = create_missing(document, names)
            created[:] = missing
            return fresh

        await asyncio.to_thread(self._edit, add)
        return tuple(created)

    async def kill(self, on: bool) -> None:
        """Switch `strangler.kill`."""
        await asyncio.to_thread(self._edit, lambda document: set_kill(document, on))

    async def close(self) -> None:
        """Nothing to let go of."""

    def _edit(self, edit: Callable[[Document], Document]) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._locked():
                before = self._read()
                after = edit(before)
                if after != before or not self._path.exists():
                    self._replace(orjson.dumps(after, option=orjson.OPT_INDENT_2))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise FlagError(f"the flag file {self._path} cannot be written: {reason}") from None

    def _read(self) -> Document:
        if not self._path.exists():
            return empty_document()
        with self._path.open("rb") as file:
            return parse(file.read(MAX_BYTES + 1), f"the flag file {self._path}").document

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        handle = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._wait(handle)
            yield
        finally:
            os.close(handle)  # gives the lock back, as does the death of this process

    def _wait(self, handle: int) -> None:
        until = time.monotonic() + LOCK_TIMEOUT
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise FlagError(f"somebody else is editing {self._path}; try again") from None
                time.sleep(_RETRY)
            else:
                return

    def _replace(self, raw: bytes) -> None:
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(raw + b"\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(directory)  # or the new name itself may be lost with the power
        finally:
            os.close(directory)
