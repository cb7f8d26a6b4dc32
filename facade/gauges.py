"""What /metrics reads at the moment it is asked."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from facade.adapters.metrics_text import Gauge, Metric, ReadCounter, Sample, flattened
from facade.core.breaker import Circuit

if TYPE_CHECKING:
    from facade.adapters.pool_aiohttp import Pool
    from facade.process import Facade

_CIRCUIT = {Circuit.CLOSED: 0.0, Circuit.HALF_OPEN: 1.0, Circuit.OPEN: 2.0}


def gauges(facade: Facade) -> list[Metric]:
    """The gauges of a running facade."""
    return [*_requests(facade), *_routes(facade), *_upstreams(facade), *_tap(facade), *_state(facade)]


def _requests(facade: Facade) -> list[Metric]:
    return [
        _one("strangler_in_flight", "Requests in flight.", lambda: facade.proxy.admission.in_flight),
        _one("strangler_client_connections", "Open client connections.", lambda: facade.server.open),
        _one("process_resident_memory_bytes", "Memory in use.", _resident),
    ]


def _routes(facade: Facade) -> list[Metric]:
    def shares() -> Iterable[Sample]:
        for route, view in facade.proxy.now.views.items():
            asked = view.intent.rollout if view.intent is not None and view.intent.known else None
            yield (route, "proven"), float(view.state.cap_pct)
            yield (
                (route, "served"),
                float(view.state.applied_pct if asked is None else min(asked, view.state.cap_pct)),
            )
            yield (route, "mirrored"), float(view.share)
            if asked is not None:
                yield (route, "asked"), float(asked)

    def stages() -> Iterable[Sample]:
        for route, view in facade.proxy.now.views.items():
            yield (route, view.state.stage.value), 1.0

    return [
        Gauge(
            "strangler_route_percent",
            "Per cent of keys: asked by the flag, proven in the ledger, served by extracted, mirrored.",
            shares,
            ("route", "share"),
        ),
        Gauge("strangler_route_stage", "1: where the route's reads stand.", stages, ("route", "stage")),
    ]


def _upstreams(facade: Facade) -> list[Metric]:
    def each(read: Callable[[Pool], float]) -> Callable[[], Iterable[Sample]]:
        return lambda: [((name,), read(pool)) for (name, _), pool in facade.pools.pools.items()]

    def circuits() -> Iterable[Sample]:
        return [((route,), _CIRCUIT[state]) for route, state in facade.proxy.circuits.states().items()]

    by = ("upstream",)
    unasked = "1: the backend sent bytes unasked; it runs without reuse."
    return [
        Gauge("strangler_upstream_busy", "Connections with a request.", each(lambda pool: pool.busy), by),
        Gauge("strangler_upstream_idle", "Idle connections.", each(lambda pool: pool.idle), by),
        ReadCounter("strangler_upstream_opened_total", "Connections opened.", each(lambda p: p.opened), by),
        Gauge("strangler_upstream_poisoned", unasked, each(lambda pool: pool.poisoned), by),
        Gauge("strangler_circuit_state", "0 closed, 1 half open, 2 open.", circuits, ("route",)),
    ]


def _tap(facade: Facade) -> list[Metric]:
    tap = facade.tap
    return [
        ReadCounter(
            "strangler_tap_exchanges_total",
            "Eligible exchanges, tapped ones, and why others were not.",
            lambda: flattened(tap.totals()),
            ("route", "reason"),
        ),
        _one("strangler_tap_connected", "1: the shadow process takes exchanges.", lambda: tap.connected),
        _one("strangler_tap_queued_bytes", "Bytes that wait to be sent.", lambda: tap.queued_bytes),
    ]


def _state(facade: Facade) -> list[Metric]:
    def age() -> Iterable[Sample]:
        return [] if facade.following.ledger_age is None else [((), facade.following.ledger_age)]

    bad_plan = "1: the plan on disk is bad; the last good one is served."
    no_ledger = "1: the ledger is away; the last known rows are served."
    return [
        _one("strangler_plan_problem", bad_plan, lambda: facade.plan_problem is not None),
        Gauge("strangler_ledger_age_seconds", "Since the ledger was last read.", age),
        _one("strangler_ledger_problem", no_ledger, lambda: facade.following.ledger_problem is not None),
        _one(
            "strangler_flags_stale",
            "1: the flags are stale; the applied shares are served.",
            lambda: facade.following.flags_stale,
        ),
        _one("strangler_draining", "1: no new requests are taken.", lambda: facade.draining),
    ]


def _one(name: str, text: str, read: Callable[[], float]) -> Gauge:
    return Gauge(name, text, lambda: [((), float(read()))])


def _resident() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()
