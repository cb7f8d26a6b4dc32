"""The generator's own account: every request it sent, once, and how it ended."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

import orjson

SCHEMA_VERSION = 1
RECENT = 10_000  # latencies kept for the quantiles: a run until Ctrl-C must not grow without end


class Outcome(StrEnum):
    """How a request ended, as the client saw it."""

    ANSWERED = "answered"  # with any status, completely
    REFUSED = "refused"  # no connection
    RESET = "reset"  # the connection ended before an answer began
    TIMEOUT = "timeout"  # nobody answered in time
    CUT = "cut"  # the answer began and did not end
    STOPPED = "stopped"  # the generator was told to end, and hung up itself: nobody's failure


@dataclass(frozen=True, slots=True)
class Sent:
    """One request: when (Unix seconds), by whom, what, and what came of it; `ms` until the last byte."""

    at: float
    session: int
    keyed: bool  # it carried the sticky key's cookie
    method: str
    path: str
    route: str
    outcome: Outcome
    ms: float
    status: int | None = None
    build: str | None = None
    side: str | None = None
    bytes: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class RouteCount:
    """The requests of one route, by outcome, status and answering side."""

    sent: int
    outcomes: dict[str, int]
    statuses: dict[int, int]
    sides: dict[str, int]


@dataclass(frozen=True, slots=True)
class TrafficReport:
    """What was sent and what came back; `requests` is the sum over `routes`, exactly."""

    seconds: float
    sessions: int
    clients: int
    held_back: int  # sessions not started because too many were open
    requests: int
    outcomes: dict[str, int]
    statuses: dict[int, int]
    routes: dict[str, RouteCount]
    p50_ms: float
    p95_ms: float
    slowest_ms: float
    log_lost: int  # requests counted here that the log could not take

    @property
    def failed(self) -> int:
        """Requests that no complete answer came to though it was waited for, and those answered with 5xx."""
        fine = (Outcome.ANSWERED, Outcome.STOPPED)
        broken = self.requests - sum(self.outcomes.get(outcome, 0) for outcome in fine)
        return broken + sum(count for status, count in self.statuses.items() if status >= 500)

    def sent(self, route: str) -> int:
        """How many requests of `route` were sent."""
        return self.routes[route].sent if route in self.routes else 0

    def to_json(self) -> bytes:
        """The report as JSON with `schema_version`."""
        whole = {"schema_version": SCHEMA_VERSION, "failed": self.failed} | asdict(self)
        return orjson.dumps(whole, option=orjson.OPT_NON_STR_KEYS)


class Account:
    """Takes down each request, in a file as JSON lines (a fresh one each run) and in counters."""

    def __init__(self, log: Path | None = None) -> None:
        self._file: BinaryIO | None = log.open("wb") if log else None
        self._routes: dict[str, Counter[tuple[str, Any]]] = {}
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._slowest = 0.0
        self.log_lost = 0
        self.sessions = 0
        self.clients = 0
        self.held_back = 0
        self.requests = 0

    def take(self, sent: Sent) -> None:
        """Count one request and write its line."""
        self.requests += 1
        counts = self._routes.setdefault(sent.route, Counter())
        counts["outcome", sent.outcome.value] += 1
        if sent.status is not None:
            counts["status", sent.status] += 1
        counts["side", sent.side or "unknown"] += 1
        self._recent.append(sent.ms)
        self._slowest = max(self._slowest, sent.ms)
        self._write(sent)

    def flush(self) -> None:
        """Bring the lines to the file, for whoever follows it."""
        try:
            if self._file:
                self._file.flush()
        except OSError:
            self.log_lost += 1  # at least one; a full disk must not stop the traffic

    def close(self) -> None:
        """The last lines; harmless when repeated."""
        try:
            if self._file:
                self._file.close()
        except OSError:
            self.log_lost += 1
        self._file = None

    def report(self, seconds: float) -> TrafficReport:
        """The account so far."""
        routes = {name: _route(counts) for name, counts in sorted(self._routes.items())}
        outcomes: Counter[str] = Counter()
        statuses: Counter[int] = Counter()
        for route in routes.values():
            outcomes.update(route.outcomes)
            statuses.update(route.statuses)
        ranked = sorted(self._recent) or [0.0]
        return TrafficReport(
            seconds=round(seconds, 3),
            sessions=self.sessions,
            clients=self.clients,
            held_back=self.held_back,
            requests=self.requests,
            outcomes=dict(outcomes),
            statuses=dict(statuses),
            routes=routes,
            p50_ms=ranked[len(ranked) // 2],
            p95_ms=ranked[len(ranked) * 95 // 100],
            slowest_ms=self._slowest,
            log_lost=self.log_lost,
        )

    def _write(self, sent: Sent) -> None:
        if self._file is None:
            return
        try:
            self._file.write(orjson.dumps(sent, option=orjson.OPT_APPEND_NEWLINE))
        except OSError:
            self.log_lost += 1


def _route(counts: Counter[tuple[str, Any]]) -> RouteCount:
    def of(kind: str) -> dict[Any, int]:
        return {value: count for (what, value), count in sorted(counts.items(), key=str) if what == kind}

    outcomes = of("outcome")
    return RouteCount(sum(outcomes.values()), outcomes, of("status"), of("side"))
