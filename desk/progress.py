"""How far a long walk over keys has come: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from desk.cli.telling import say

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

EVERY = 10.0  # seconds between two plain lines


class Bar:
    """One bar for each entity, on stderr; use it in a with statement."""

    def __init__(self, what: str) -> None:
        """`what` is done to the rows, as in `backfill`."""
        self._what = what
        self._rich: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._told = time.monotonic()
        self._done: dict[str, int] = {}

    def __enter__(self) -> Bar:
        if sys.stderr.isatty():
            self._rich = _rich()
            self._rich.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rich is not None:
            self._rich.stop()

    def at(self, entity: str, done: int, total: int) -> None:
        """`done` of about `total` rows of `entity`."""
        self._done[entity] = done
        if self._rich is not None:
            if entity not in self._tasks:
                self._tasks[entity] = self._rich.add_task(f"{self._what} {entity}", total=total)
            self._rich.update(self._tasks[entity], completed=done, total=total)
        elif time.monotonic() - self._told >= EVERY:
            self._told = time.monotonic()
            share = f" of about {total:,}" if total else ""
            say(f"{self._what} {entity}: {done:,}{share} rows")

    def add(self, entity: str, count: int, total: int) -> None:
        """`count` more rows of `entity`."""
        self.at(entity, self._done.get(entity, 0) + count, total)


def _rich() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
