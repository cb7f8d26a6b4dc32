"""What the evidence store keeps, as values: written whole, so that writing one twice does no harm."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class CountKey:
    """What a count is bound to: the route, the builds of both sides, and the rules."""

    route: str
    build_old: str  # "" where the side tells none
    build_new: str
    rules_hash: str

    @property
    def id(self) -> str:
        """A short stable name: 16 hex digits."""
        parts = (self.route, self.build_old, self.build_new, self.rules_hash)
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class CountRow:
    """One count: its trials (n, k), and in `detail` everything that is shown but never decides alone."""

    key: CountKey
    n: int
    k: int
    first: float
    last: float
    last_trial: float | None
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SessionRow:
    """An open session: how many exchanges it has had, and the one drawn from it so far."""

    count_id: str
    key: str
    first: float
    last: float
    seen: int
    outcome: str
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FindingRow:
    """A finding of one count; `detail` holds its key sketch."""

    count_id: str
    id: str
    route: str
    path: str
    kind: str
    impact: str
    types: str
    exchanges: int
    trials: int
    first: float
    last: float
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One stored exchange of a finding, redacted; slots 0-4 hold random ones, `SMALLEST` the smallest."""

    count_id: str
    finding_id: str
    slot: int
    at: float
    payload: Mapping[str, Any]


CHANGING = "(changing)"  # stands for the builds of a side that tells another one with each answer
NEVER = 0.0  # the times of a count that holds only exchanges of which nothing is known
SMALLEST = 5
FAILURES = "write_failures"  # the name under which `meta` keeps how often writing failed


@dataclass(frozen=True, slots=True)
class CounterRow:
    """A cumulative counter of one sender: `tapped`, `accounted`, or why exchanges were not compared."""

    instance: str
    route: str
    reason: str
    n: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What changed since the last write that succeeded; all of it becomes visible at once."""

    counts: tuple[CountRow, ...] = ()
    findings: tuple[FindingRow, ...] = ()
    samples: tuple[SampleRow, ...] = ()
    sessions: tuple[SessionRow, ...] = ()
    closed: tuple[tuple[str, str], ...] = ()  # (count id, key) of sessions that are no more
    counters: tuple[CounterRow, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        parts = (
            self.counts,
            self.findings,
            self.samples,
            self.sessions,
            self.closed,
            self.counters,
            self.meta,
        )
        return any(parts)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a shadow process starts from."""

    counts: tuple[CountRow, ...] = ()
    findings: tuple[FindingRow, ...] = ()
    sample_slots: tuple[tuple[str, str, int, int], ...] = ()  # count id, finding id, slot, size of the body
    sessions: tuple[SessionRow, ...] = ()
    counters: tuple[CounterRow, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RouteRows:
    """What is stored of one route, read at one moment; `current`: its newest count under these rules."""

    counts: tuple[CountRow, ...] = ()  # newest exchange first
    current: CountRow | None = None
    findings: tuple[FindingRow, ...] = ()  # of the current count
    samples: tuple[SampleRow, ...] = ()
    counters: tuple[CounterRow, ...] = ()
    open_sessions: int = 0
    meta: Mapping[str, str] = field(default_factory=dict)  # about the store itself


def current_count(counts: Iterable[CountRow], rules_hash: str) -> CountRow | None:
    """The first of `counts` (newest first) under these rules in which anything was compared."""
    return next((row for row in counts if row.key.rules_hash == rules_hash and row.first > NEVER), None)
