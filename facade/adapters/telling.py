"""Who listens to the request path: numbers, the decisions' ring and the logs. Microseconds count here."""

from __future__ import annotations

import traceback
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from time import time

from facade.adapters.log import Log
from facade.adapters.metrics_text import Buckets, Cell
from facade.adapters.numbers import BOUNDS, Numbers
from facade.core.problem import Problem
from facade.core.writes import HOLDS, Write
from facade.ports import Finished

KEPT = 2000
Heard = Callable[[float, Finished], None]


class _Bound:
    """The cells of one combination of labels, looked up once."""

    __slots__ = ("requests", "seconds")

    def __init__(self, requests: Cell, seconds: Buckets | None) -> None:
        self.requests, self.seconds = requests, seconds


class Telling:
    """Counts, keeps the last decisions, writes errors. Nothing is formatted before somebody asks."""

    # Hears of every finished request, and when it was.
    decided: Heard | None = None

    def __init__(self, log: Log) -> None:
        """Start from zero."""
        self._log = log
        self.numbers = Numbers()
        self.decisions: deque[tuple[float, Finished]] = deque(maxlen=KEPT)
        self._keep = self.decisions.append
        self._bound: dict[tuple[str, str, str, int], _Bound] = {}

    def finished(self, what: Finished) -> None:
        """A request is over."""
        view = what.decision.view if what.decision is not None else None
        route = view.route.id if view is not None else "-"
        key = (route, what.side, what.outcome, what.status // 100)
        bound = self._bound.get(key) or self._bind(key)
        bound.requests.n += 1
        seconds = bound.seconds
        if seconds is not None:
            seconds.counts[bisect_left(BOUNDS, what.seconds)] += 1
            seconds.sum += what.seconds
        elif what.outcome in ("refused", "failed"):
            self.numbers.refused.add(what.why)
        if what.fallback is not None:
            self.numbers.fallbacks.add(route, what.fallback)
        if what.write is not None:
            self._written(what, what.write)
        now = time()
        self._keep((now, what))
        if self.decided is not None:
            self.decided(now, what)

    def _bind(self, key: tuple[str, str, str, int]) -> _Bound:
        route, side, outcome, hundreds = key
        requests = self.numbers.requests.bound(route, side, outcome, f"{hundreds}xx" if hundreds else "-")
        seconds = self.numbers.seconds.bound(side) if outcome == "answered" else None
        bound = self._bound[key] = _Bound(requests, seconds)
        return bound

    def _written(self, what: Finished, write: Write) -> None:
        if write.held > 0:
            self.numbers.held.add(write.slice)
            self.numbers.hold_seconds.observe(write.held, write.slice)
        if what.outcome == "refused" and what.why in HOLDS:
            self.numbers.hold_refused.add(write.slice, what.why)
        if write.spans(what.status):
            self.numbers.spanned.add(write.slice)

    def parser_refused(self, problem: Problem) -> None:
        """The parser refused a request before it was one."""
        self.numbers.refused.add(problem.code)

    def upstream_failed(self, upstream: str, kind: str, detail: str) -> None:
        """A backend failed an attempt."""
        self.numbers.failures.add(upstream, kind)
        self._log.seldom(
            f"{upstream} {kind}", "upstream_failed", upstream=upstream, kind=kind, detail=detail[:300]
        )

    def retried(self, upstream: str) -> None:
        """A request was sent again."""
        self.numbers.retries.add(upstream)

    def minted(self) -> None:
        """A sticky key was handed out."""
        self.numbers.keys.add()

    def introspected(self, outcome: str) -> None:
        """The monolith was asked whose cookie this is."""
        self.numbers.introspections.add(outcome)

    def kept_session(self, upstream: str) -> None:
        """A service tried to write the monolith's session cookie."""
        self.numbers.session_writes.add(upstream)
        self._log.seldom(f"{upstream} session", "session_cookie_dropped", upstream=upstream)

    def circuit(self, route: str, state: str) -> None:
        """A route's circuit changed its state."""
        self.numbers.circuits.add(route, state)
        self._log.line("circuit", route=route, state=state)

    def broken(self, error: BaseException) -> None:
        """A defect of ours ended a request: the log is the one place for its trace."""
        self.numbers.defects.add()
        where = traceback.format_exception(error)[-12:]
        self._log.seldom("defect", "defect", error=repr(error)[:300], where="".join(where)[-4000:])


def route_of(what: Finished) -> str:
    """The route's name in metrics and logs."""
    route = what.decision.route if what.decision is not None else None
    return route.id if route is not None else "-"


def decision_line(what: Finished) -> str:
    """One line of /decisions: id, method, route, side, status, outcome, milliseconds, why."""
    epochs = f" epoch={_epochs(what)}" if what.write is not None else ""
    return (
        f"{what.request_id or '-'} {what.method} {route_of(what)} {what.side} {what.status} {what.outcome}"
        f" {what.seconds * 1000:.1f}ms {what.why}{epochs}"
    )


def _epochs(what: Finished) -> str:
    """The epoch of a write; of one that failed while its slice changed sides, both."""
    write = what.write
    if write is None:
        return ""
    return f"{write.epoch}>{write.epoch_after}" if write.spans(what.status) else str(write.epoch)
