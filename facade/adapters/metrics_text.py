"""Counters, gauges and histograms in Prometheus' text format: three shapes need no client library."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Mapping

Labels = tuple[str, ...]
Sample = tuple[Labels, float]


class Counter:
    """A number per combination of labels that only grows."""

    kind = "counter"

    def __init__(self, name: str, text: str, labels: Labels = ()) -> None:
        """`labels` are names; values come with each increment, in the same order, and never from users."""
        self.name, self.text, self.labels = name, text, labels
        self.values: dict[Labels, float] = {} if labels else {(): 0}

    def add(self, *labels: str, by: float = 1) -> None:
        """Grow."""
        self.values[labels] = self.values.get(labels, 0) + by

    def lines(self) -> Iterable[str]:
        """The samples as text."""
        return (
            f"{self.name}{_braces(self.labels, labels)} {_number(n)}" for labels, n in self.values.items()
        )


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
        return (f"{self.name}{_braces(self.labels, labels)} {_number(n)}" for labels, n in self._read())


class ReadCounter(Gauge):
    """A counter that somebody else keeps."""

    kind = "counter"


class Histogram:
    """Counts per upper bound, and the sum, per combination of labels."""

    kind = "histogram"

    def __init__(self, name: str, text: str, bounds: tuple[float, ...], labels: Labels = ()) -> None:
        """`bounds` in ascending order; the last bucket, +Inf, is implied."""
        self.name, self.text, self.labels, self._bounds = name, text, labels, bounds
        self._values: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def observe(self, value: float, *labels: str) -> None:
        """Count one value."""
        counts = self._values.get(labels)
        if counts is None:
            counts = self._values[labels] = [0] * (len(self._bounds) + 1)
            self._sums[labels] = 0.0
        counts[bisect.bisect_left(self._bounds, value)] += 1
        self._sums[labels] += value

    def lines(self) -> Iterable[str]:
        """The samples as text."""
        names = (*self.labels, "le")
        for labels, counts in self._values.items():
            total = 0
            for bound, count in zip((*map(_number, self._bounds), "+Inf"), counts, strict=True):
                total += count
                yield f"{self.name}_bucket{_braces(names, (*labels, bound))} {total}"
            yield f"{self.name}_sum{_braces(self.labels, labels)} {_number(self._sums[labels])}"
            yield f"{self.name}_count{_braces(self.labels, labels)} {total}"


Metric = Counter | Gauge | Histogram


def exposition(metrics: Iterable[Metric]) -> bytes:
    """All metrics as one text (version 0.0.4 of the format)."""
    lines: list[str] = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.text}", f"# TYPE {metric.name} {metric.kind}"]
        lines += metric.lines()
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
