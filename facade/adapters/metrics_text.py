"""Counters, gauges and histograms in Prometheus' text format: three shapes need no client library.

A worker counts, and gives away what it counted since it was last asked; the supervisor adds up what all
workers gave, also those that died since: so no counter of /metrics ever goes down.
"""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Labels = tuple[str, ...]
Sample = tuple[Labels, float]
# What was counted since it was last asked for: label values and number, or label values, buckets and sum.
Changes = list[tuple[Any, ...]]

_SLICE = 200  # lines written before the loop gets its turn: about half a millisecond


class Cell:
    """One counted number: bound once, then `n` grows without a look-up."""

    __slots__ = ("n", "told")

    def __init__(self) -> None:
        """Start from zero."""
        self.n: float = 0
        self.told: float = 0


class Counter:
    """A number per combination of labels that only grows."""

    kind = "counter"

    def __init__(self, name: str, text: str, labels: Labels = ()) -> None:
        """`labels` are names; values come with each increment, in the same order, and never from users."""
        self.name, self.text, self.labels = name, text, labels
        self._cells: dict[Labels, Cell] = {} if labels else {(): Cell()}

    def bound(self, *labels: str) -> Cell:
        """The cell of these labels."""
        cell = self._cells.get(labels)
        if cell is None:
            cell = self._cells[labels] = Cell()
        return cell

    def add(self, *labels: str, by: float = 1) -> None:
        """Grow."""
        self.bound(*labels).n += by

    def changes(self) -> Changes:
        """What was counted since the last call."""
        changed: Changes = []
        for labels, cell in self._cells.items():
            if cell.n != cell.told:
                changed.append((labels, cell.n - cell.told))
                cell.told = cell.n
        return changed

    def grow(self, changes: Iterable[Sequence[Any]]) -> None:
        """Add what a worker counted."""
        for labels, number in changes:
            self.bound(*labels).n += number

    def lines(self) -> Iterable[str]:
        """The samples as text."""
        for labels, cell in list(self._cells.items()):
            yield f"{self.name}{_braces(self.labels, labels)} {_number(cell.n)}"


class ReadCounter(Counter):
    """A counter that somebody else keeps, and begins anew when it is itself replaced."""

    def __init__(self, name: str, text: str, labels: Labels = ()) -> None:
        """Nothing was read yet."""
        super().__init__(name, text, labels)
        self._seen: dict[Labels, float] = {}

    def reached(self, number: float, *labels: str) -> None:
        """The other one counts `number` now."""
        before = self._seen.get(labels, 0)
        self.add(*labels, by=number - before if number >= before else number)
        self._seen[labels] = number


class Gauge:
    """Read when asked for: a function that gives the samples."""

    kind = "gauge"

    def __init__(
        self, name: str, text: str, read: Callable[[], Iterable[Sample]], labels: Labels = ()
    ) -> None:
        """`read` gives pairs of label values and number."""
        self.name, self.text, self.labels, self._read = name, text, labels, read

    def lines(self) -> Iterable[str]:
        """The samples as text."""
        for labels, number in list(self._read()):
            yield f"{self.name}{_braces(self.labels, labels)} {_number(number)}"


class Buckets:
    """One counted distribution: `counts` per upper bound, the last for what is above all, and the sum."""

    __slots__ = ("counts", "sum", "told_counts", "told_sum")

    def __init__(self, size: int) -> None:
        """Start from zero."""
        self.counts = [0] * size
        self.sum = 0.0
        self.told_counts = [0] * size
        self.told_sum = 0.0


class Histogram:
    """Counts per upper bound, and the sum, per combination of labels."""

    kind = "histogram"

    def __init__(self, name: str, text: str, bounds: tuple[float, ...], labels: Labels = ()) -> None:
        """`bounds` in ascending order; the last bucket, +Inf, is implied."""
        self.name, self.text, self.labels, self._bounds = name, text, labels, bounds
        self._cells: dict[Labels, Buckets] = {}

    def bound(self, *labels: str) -> Buckets:
        """The cell of these labels."""
        cell = self._cells.get(labels)
        if cell is None:
            cell = self._cells[labels] = Buckets(len(self._bounds) + 1)
        return cell

    def observe(self, value: float, *labels: str) -> None:
        """Count one value."""
        cell = self.bound(*labels)
        cell.counts[bisect.bisect_left(self._bounds, value)] += 1
        cell.sum += value

    def changes(self) -> Changes:
        """What was counted since the last call."""
        changed: Changes = []
        for labels, cell in self._cells.items():
            if cell.counts != cell.told_counts:
                counts = [now - before for now, before in zip(cell.counts, cell.told_counts, strict=True)]
                changed.append((labels, counts, cell.sum - cell.told_sum))
                cell.told_counts, cell.told_sum = cell.counts.copy(), cell.sum
        return changed

    def grow(self, changes: Iterable[Sequence[Any]]) -> None:
        """Add what a worker counted."""
        for labels, counts, total in changes:
            cell = self.bound(*labels)
            cell.counts = [have + more for have, more in zip(cell.counts, counts, strict=True)]
            cell.sum += total

    def lines(self) -> Iterable[str]:
        """The samples as text."""
        names = (*self.labels, "le")
        bounds = (*map(_number, self._bounds), "+Inf")
        for labels, cell in list(self._cells.items()):
            total = 0
            for bound, count in zip(bounds, cell.counts, strict=True):
                total += count
                yield f"{self.name}_bucket{_braces(names, (*labels, bound))} {total}"
            yield f"{self.name}_sum{_braces(self.labels, labels)} {_number(cell.sum)}"
            yield f"{self.name}_count{_braces(self.labels, labels)} {total}"


Counted = Counter | Histogram
Metric = Counted | Gauge


async def exposition(metrics: Iterable[Metric]) -> bytes:
    """All metrics as one text (version 0.0.4 of the format), written without holding up the loop."""
    lines: list[str] = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.text}", f"# TYPE {metric.name} {metric.kind}"]
        for line in metric.lines():
            lines.append(line)
            if len(lines) % _SLICE == 0:
                await asyncio.sleep(0)
    return ("\n".join(lines) + "\n").encode()


def flattened(table: Mapping[str, Mapping[str, int]]) -> Iterable[Sample]:
    """A table of tables as samples."""
    return (((outer, inner), n) for outer, row in table.items() for inner, n in row.items())


def _braces(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    pairs = (f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True))
    return "{" + ",".join(pairs) + "}"


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
