"""Metrics, the decisions' ring and the error log: three listeners of the request path in one."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections import deque
from typing import TextIO

from facade.adapters.metrics_text import Counter, Histogram, Metric
from facade.core.problem import Problem
from facade.ports import Finished

# From a cached product on loopback to a route's timeout; the facade's own share lies in the first three.
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_KEPT = 2000
_LOG_EVERY = 1.0  # seconds between two lines of the same kind: an outage must not fill a disk


class Log:
    """JSON lines for errors and for what happens at start, reload and end."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Write to `stream`, by default stderr."""
        self._stream = stream if stream is not None else sys.stderr
        self._last: dict[str, tuple[float, int]] = {}

    def line(self, event: str, **fields: object) -> None:
        """Write one line."""
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        text = json.dumps({"at": at, "event": event, **fields}, default=str, ensure_ascii=False)
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass  # a full disk or a closed pipe behind stderr is no reason to fail a user

    def seldom(self, key: str, event: str, **fields: object) -> None:
        """Write at most one line a second for each key, and how many were left out."""
        now = time.monotonic()
        last, missed = self._last.get(key, (-_LOG_EVERY, 0))
        if now - last < _LOG_EVERY:
            self._last[key] = (last, missed + 1)
            return
        self._last[key] = (now, 0)
        self.line(event, **fields, **({"left_out": missed} if missed else {}))


class Telling:
    """Counts, keeps the last decisions, writes errors."""

    def __init__(self, log: Log) -> None:
        """Start from zero."""
        self._log = log
        self.decisions: deque[Finished] = deque(maxlen=_KEPT)
        self.requests = Counter(
            "strangler_requests_total",
            "Finished requests; outcome: answered, refused (by us), failed (a backend), cut, client_gone.",
            ("route", "side", "outcome", "status"),
        )  # fmt: skip
        self.seconds = Histogram(
            "strangler_request_seconds", "From a request's head to the last byte of its answer.", _BOUNDS,
            ("side",),
        )  # fmt: skip
        self.fallbacks = Counter(
            "strangler_fallbacks_total", "Answers by legacy because the service failed.", ("route", "cause")
        )
        self.refused = Counter(
            "strangler_refused_total",
            "Requests the facade answered itself, by the last part of the problem's type.",
            ("code",),
        )
        self.failures = Counter(
            "strangler_upstream_failures_total", "Failed attempts at a backend.", ("upstream", "kind")
        )
        self.retries = Counter(
            "strangler_retries_total", "Requests sent again after a dead idle connection.", ("upstream",)
        )
        self.keys = Counter("strangler_keys_minted_total", "Sticky keys handed out.")
        self.circuits = Counter(
            "strangler_circuit_changes_total", "Changes of a route's circuit.", ("route", "to")
        )
        self.defects = Counter("strangler_defects_total", "Requests that ended in a defect of the facade.")
        self.reloads = Counter("strangler_plan_reloads_total", "Reloads of the plan.", ("outcome",))

    def metrics(self) -> list[Metric]:
        """What /metrics shows of this."""
        return [
            self.requests, self.seconds, self.fallbacks, self.refused, self.failures, self.retries,
            self.keys, self.circuits, self.defects, self.reloads,
        ]  # fmt: skip

    def finished(self, what: Finished) -> None:
        """A request is over."""
        route = what.decision.route if what.decision is not None else None
        name = route.id if route is not None else "-"
        self.requests.add(name, what.side, what.outcome, f"{what.status // 100}xx" if what.status else "-")
        if what.outcome == "answered":
            self.seconds.observe(what.seconds, what.side)
        elif what.outcome in ("refused", "failed"):
            self.refused.add(what.why)
        if what.fallback is not None:
            self.fallbacks.add(name, what.fallback)
        self.decisions.append(what)

    def parser_refused(self, problem: Problem) -> None:
        """The parser refused a request before it was one."""
        self.refused.add(problem.code)

    def upstream_failed(self, upstream: str, kind: str, detail: str) -> None:
        """A backend failed an attempt."""
        self.failures.add(upstream, kind)
        self._log.seldom(
            f"{upstream} {kind}", "upstream_failed", upstream=upstream, kind=kind, detail=detail[:300]
        )

    def retried(self, upstream: str) -> None:
        """A request was sent again."""
        self.retries.add(upstream)

    def minted(self) -> None:
        """A sticky key was handed out."""
        self.keys.add()

    def circuit(self, route: str, state: str) -> None:
        """A route's circuit changed its state."""
        self.circuits.add(route, state)
        self._log.line("circuit", route=route, state=state)

    def broken(self, error: BaseException) -> None:
        """A defect of ours ended a request: the log is the one place for its trace."""
        self.defects.add()
        where = traceback.format_exception(error)[-12:]
        self._log.seldom("defect", "defect", error=repr(error)[:300], where="".join(where)[-4000:])


def decision_line(what: Finished) -> str:
    """One line of /decisions: id, method, route, side, status, outcome, milliseconds, why."""
    route = what.decision.route if what.decision is not None else None
    name = route.id if route is not None else "-"
    return (
        f"{what.request_id or '-'} {what.method} {name} {what.side} {what.status} {what.outcome}"
        f" {what.seconds * 1000:.1f}ms {what.why}"
    )
