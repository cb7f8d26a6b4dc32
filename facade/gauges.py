"""What /metrics reads at the moment it is asked: what each worker reports, and how the reports become one."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facade.adapters.metrics_text import Gauge, Metric, Sample
from facade.core.breaker import Circuit

if TYPE_CHECKING:
    from facade.process import Facade
    from facade.supervisor import Supervisor

Report = dict[str, list[tuple[list[str], float]]]

_CIRCUIT = {Circuit.CLOSED: 0.0, Circuit.HALF_OPEN: 1.0, Circuit.OPEN: 2.0}


# In a worker


def report(facade: Facade) -> Report:
    """What one worker sees now."""
    pools = [(name, pool) for (name, _), pool in facade.pools.pools.items()]
    states = facade.proxy.circuits.states().items()
    return {
        "in_flight": [([], facade.proxy.admission.in_flight)],
        "connections": [([], facade.server.open)],
        "resident": [([], resident())],
        "busy": [([name], pool.busy) for name, pool in pools],
        "idle": [([name], pool.idle) for name, pool in pools],
        "poisoned": [([name], float(pool.poisoned)) for name, pool in pools],
        "circuit": [([route], _CIRCUIT[state]) for route, state in states],
        "writes": [([name], under_way) for name, under_way, _ in facade.proxy.writes.counts()],
        "waiting": [([name], waiting) for name, _, waiting in facade.proxy.writes.counts()],
        "tap_connected": [([], float(facade.tap.connected))],
        "tap_queued": [([], facade.tap.queued_bytes)],
    }


def resident() -> int:
    """Bytes of memory that this process uses."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()


# In the supervisor


def gauges(supervisor: Supervisor) -> list[Metric]:
    """The gauges of a running facade."""
    merged = _Merged(lambda: supervisor.workers.reports())
    return [
        *_requests(merged), *_routes(supervisor), *_writes(merged, supervisor), *_upstreams(merged),
        *_tap(merged), *_state(supervisor),
    ]  # fmt: skip


class _Merged:
    """Makes one sample of what all workers report under a name."""

    def __init__(self, reports: Callable[[], Iterable[tuple[str, Mapping[str, Any]]]]) -> None:
        self._reports = reports

    def __call__(self, key: str, how: Callable[[Iterable[float]], float]) -> Callable[[], Iterable[Sample]]:
        def read() -> Iterable[Sample]:
            found: dict[tuple[str, ...], list[float]] = {}
            for _, told in self._reports():
                for labels, number in told.get(key, ()):
                    found.setdefault(tuple(labels), []).append(number)
            return [(labels, how(numbers)) for labels, numbers in found.items()]

        return read

    def each(self, key: str) -> Callable[[], Iterable[Sample]]:
        """One sample per worker; two workers hold one place while the second takes over from the first."""

        def read() -> Iterable[Sample]:
            found: dict[tuple[str, ...], float] = {}
            for worker, told in self._reports():
                for _, number in told.get(key, ()):
                    found[(worker,)] = found.get((worker,), 0.0) + number
            return found.items()

        return read


def _requests(merged: _Merged) -> list[Metric]:
    def memory() -> Iterable[Sample]:
        yield ("supervisor",), resident()
        yield from merged.each("resident")()

    return [
        Gauge("strangler_in_flight", "Requests in flight.", merged.each("in_flight"), ("worker",)),
        Gauge(
            "strangler_client_connections",
            "Open client connections.",
            merged.each("connections"),
            ("worker",),
        ),
        Gauge("process_resident_memory_bytes", "Memory in use.", memory, ("worker",)),
    ]


def _routes(supervisor: Supervisor) -> list[Metric]:
    def shares() -> Iterable[Sample]:
        for route, view in supervisor.now.views.all():
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
        for route, view in supervisor.now.views.all():
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


def _writes(merged: _Merged, supervisor: Supervisor) -> list[Metric]:
    of_slice = ("slice",)

    def phases() -> Iterable[Sample]:
        for name, row in supervisor.live.slices.items():
            yield (name, row.authority.value, row.phase.value), 1.0

    def epochs() -> Iterable[Sample]:
        return [((name,), row.epoch) for name, row in supervisor.live.slices.items()]

    return [
        Gauge("strangler_writes_in_flight", "Writes on their way.", merged("writes", sum), of_slice),
        Gauge("strangler_writes_waiting", "Writes that wait for a flip.", merged("waiting", sum), of_slice),
        Gauge(
            "strangler_slice_authority",
            "1: who takes the slice's writes, and what the ledger says of a flip.",
            phases,
            ("slice", "side", "phase"),
        ),
        Gauge("strangler_slice_epoch", "Grows with each flip.", epochs, of_slice),
    ]


def _upstreams(merged: _Merged) -> list[Metric]:
    by = ("upstream",)
    unasked = "1: the backend sent bytes unasked; it runs without reuse."
    return [
        Gauge("strangler_upstream_busy", "Connections with a request.", merged("busy", sum), by),
        Gauge("strangler_upstream_idle", "Idle connections.", merged("idle", sum), by),
        Gauge("strangler_upstream_poisoned", unasked, merged("poisoned", max), by),
        Gauge(
            "strangler_circuit_state",
            "0 closed, 1 half open, 2 open; of several workers' circuits the most open one.",
            merged("circuit", max),
            ("route",),
        ),
    ]


def _tap(merged: _Merged) -> list[Metric]:
    return [
        Gauge(
            "strangler_tap_connected",
            "1: the shadow process takes exchanges, from every worker.",
            merged("tap_connected", min),
        ),
        Gauge("strangler_tap_queued_bytes", "Bytes that wait to be sent.", merged("tap_queued", sum)),
    ]


def _state(supervisor: Supervisor) -> list[Metric]:
    following = supervisor.following

    def age() -> Iterable[Sample]:
        return [] if following.ledger_age is None else [((), following.ledger_age)]

    bad_plan = "1: the plan on disk is bad; the last good one is served."
    no_ledger = "1: the ledger is away; the last known rows are served."
    return [
        _one("strangler_plan_problem", bad_plan, lambda: supervisor.plan_problem is not None),
        Gauge("strangler_ledger_age_seconds", "Since the ledger was last read.", age),
        _one("strangler_ledger_problem", no_ledger, lambda: following.ledger_problem is not None),
        _one(
            "strangler_flags_stale",
            "1: the flags are stale; the applied shares are served.",
            lambda: following.flags_stale,
        ),
        _one("strangler_draining", "1: no new requests are taken.", lambda: supervisor.draining),
        _one("strangler_workers", "Workers that serve.", lambda: supervisor.workers.serving),
    ]


def _one(name: str, text: str, read: Callable[[], float]) -> Gauge:
    return Gauge(name, text, lambda: [((), float(read()))])
