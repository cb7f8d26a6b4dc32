"""What is counted: the same list in a worker, which counts, and in the supervisor, which adds up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facade.adapters.metrics_text import Changes, Counted, Counter, Histogram, ReadCounter

# From a cached product on loopback to a route's timeout; the facade's own share lies in the first three.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Numbers:
    """Every counter and histogram of /metrics."""

    def __init__(self) -> None:
        """Start from zero."""
        self.requests = Counter(
            "strangler_requests_total",
            "Finished requests; outcome: answered, refused (by us), failed (a backend), cut, client_gone.",
            ("route", "side", "outcome", "status"),
        )  # fmt: skip
        self.seconds = Histogram(
            "strangler_request_seconds", "From a request's head to the last byte of its answer.", BOUNDS,
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
        self.introspections = Counter(
            "strangler_introspections_total",
            "Sessions looked up: customer, guest, nobody (no session), failed, overloaded.",
            ("outcome",),
        )  # fmt: skip
        self.session_writes = Counter(
            "strangler_session_writes_total",
            "Answers of services that tried to write the monolith's session cookie, without it.",
            ("upstream",),
        )  # fmt: skip
        self.held = Counter("strangler_writes_held_total", "Writes that waited for a flip.", ("slice",))
        self.hold_seconds = Histogram(
            "strangler_write_hold_seconds", "For how long a write waited for a flip.", BOUNDS, ("slice",)
        )
        self.hold_refused = Counter(
            "strangler_holds_refused_total",
            "Writes refused with 503: moving (too long), moving_full (too many wait), authority_unknown.",
            ("slice", "why"),
        )  # fmt: skip
        self.spanned = Counter(
            "strangler_writes_spanned_total",
            "Writes that failed while their slice moved.",
            ("slice",),
        )
        self.circuits = Counter(
            "strangler_circuit_changes_total", "Changes of a route's circuit.", ("route", "to")
        )
        self.defects = Counter("strangler_defects_total", "Requests that ended in a defect of the facade.")
        self.unlogged = Counter(
            "strangler_decisions_dropped_total", "Lines of the decisions log that the disk could not take."
        )
        self.opened = ReadCounter("strangler_upstream_opened_total", "Connections opened.", ("upstream",))
        self.tapped = ReadCounter(
            "strangler_tap_exchanges_total",
            "Eligible exchanges, tapped ones, and why others were not.",
            ("route", "reason"),
        )
        self.reloads = Counter("strangler_plan_reloads_total", "Reloads of the plan.", ("outcome",))
        self.restarts = Counter(
            "strangler_worker_restarts_total",
            "Workers that were replaced: died, hung, or asked (SIGUSR1 to the supervisor, SIGTERM to them).",
            ("why",),
        )

    def metrics(self) -> list[Counted]:
        """All of them."""
        return [one for one in vars(self).values() if isinstance(one, Counted)]

    def changes(self) -> dict[str, Changes]:
        """What was counted since the last call, by metric."""
        return {one.name: changed for one in self.metrics() if (changed := one.changes())}

    def grow(self, changes: Mapping[str, Any]) -> None:
        """Add what a worker counted; a metric that we do not know is a newer build's."""
        for one in self.metrics():
            if one.name in changes:
                one.grow(changes[one.name])
