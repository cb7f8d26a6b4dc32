"""In-memory twins of this room's ports: for tests, and for a look at a plan without a database."""

from __future__ import annotations

from dataclasses import replace

import orjson

from shadow.core.rows import (
    Batch,
    CounterRow,
    CountRow,
    FindingRow,
    RouteRows,
    SampleRow,
    SessionRow,
    Snapshot,
    current_count,
)
from shadow.errors import EvidenceError, EvidenceTakenOver


class MemoryEvidence:
    """Evidence that lives as long as this object; `failing` makes it as unavailable as a full disk."""

    def __init__(self) -> None:
        """Start empty."""
        self.failing = ""
        self._writer = ""
        self._counts: dict[str, CountRow] = {}
        self._findings: dict[tuple[str, str], FindingRow] = {}
        self._samples: dict[tuple[str, str, int], SampleRow] = {}
        self._sessions: dict[tuple[str, str], SessionRow] = {}
        self._counters: dict[tuple[str, str, str], CounterRow] = {}
        self._meta: dict[str, str] = {}

    def take_over(self, writer: str) -> Snapshot:
        """Make this the one process that may write; returns what is stored."""
        self._check()
        self._writer = self._meta["writer"] = writer
        return Snapshot(
            counts=tuple(sorted(self._counts.values(), key=lambda row: -row.last)),
            findings=tuple(self._findings.values()),
            sample_slots=tuple(
                (*place, int(row.payload.get("size", 0))) for place, row in self._samples.items()
            ),
            sessions=tuple(self._sessions.values()),
            counters=tuple(self._counters.values()),
            meta=dict(self._meta),
        )

    def write(self, batch: Batch, writer: str) -> None:
        """Write all of it or nothing."""
        self._check()
        if writer != self._writer:
            raise EvidenceTakenOver("another shadow process writes this evidence now; stop one of the two")
        for place in batch.closed:
            self._sessions.pop(place, None)
        self._counts |= {row.key.id: _kept(row) for row in batch.counts}
        self._findings |= {(row.count_id, row.id): row for row in batch.findings}
        self._samples |= {(row.count_id, row.finding_id, row.slot): row for row in batch.samples}
        self._sessions |= {(row.count_id, row.key): row for row in batch.sessions}
        self._counters |= {(row.instance, row.route, row.reason): row for row in batch.counters}
        self._meta |= batch.meta

    def route_rows(self, route: str, rules_hash: str, *, samples: bool) -> RouteRows:
        """What is stored of a route."""
        self._check()
        mine = sorted(
            (row for row in self._counts.values() if row.key.route == route), key=lambda row: -row.last
        )
        current = current_count(mine, rules_hash)
        counters = tuple(row for row in self._counters.values() if row.route == route)
        whole = RouteRows(tuple(mine), current, counters=counters, meta=dict(self._meta))
        return whole if current is None else self._with_findings(whole, current.key.id, samples)

    def _with_findings(self, whole: RouteRows, count_id: str, samples: bool) -> RouteRows:
        kept = sorted(self._samples.values(), key=lambda row: row.slot) if samples else []
        return replace(
            whole,
            findings=tuple(row for row in self._findings.values() if row.count_id == count_id),
            samples=tuple(row for row in kept if row.count_id == count_id),
            open_sessions=sum(row.count_id == count_id for row in self._sessions.values()),
        )

    def close(self) -> None:
        """Nothing to let go of."""

    def _check(self) -> None:
        if self.failing:
            raise EvidenceError(f"the evidence store in memory failed: {self.failing}")


def _kept(row: CountRow) -> CountRow:
    # As a database would: what the caller does with its own dicts later changes nothing here.
    return replace(row, detail=orjson.loads(orjson.dumps(row.detail)))
