"""What one sender counted: for each route `eligible = tapped + Σ reasons + what still waits`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from shadow.core.frames import TAPPED


class Books:
    """Cumulative counters: route → reason → count, where `tapped` is a reason like any other."""

    def __init__(self) -> None:
        """No route has been seen."""
        # What waits is counted with every answer; everything else for many at once, or now and then.
        self.waiting: defaultdict[str, int] = defaultdict(int)
        self._counters: dict[str, dict[str, int]] = {}
        self._changed: set[str] = set()

    def count(self, route: str, reason: str, exchanges: int = 1) -> None:
        """These eligible exchanges of `route` are not sent because of `reason`."""
        counters = self._counters.setdefault(route, {})
        counters[reason] = counters.get(reason, 0) + exchanges
        self._changed.add(route)

    def tapped(self, routes: Iterable[str]) -> Mapping[str, int]:
        """Exchanges of these routes wait no more but are sent; returns how many of each have been so far."""
        sent = Counter(routes)
        for route, exchanges in sent.items():
            self.waiting[route] -= exchanges
            counters = self._counters.setdefault(route, {})
            sent[route] = counters[TAPPED] = counters.get(TAPPED, 0) + exchanges
        return sent

    def dropped(self, reason: str) -> None:
        """Nothing waits any more, because of `reason`."""
        for route, exchanges in self.waiting.items():
            if exchanges:
                self.count(route, reason, exchanges)
        self.waiting.clear()

    def all(self) -> Mapping[str, Mapping[str, int]]:
        """The counters of every route; none of them is a change any more."""
        self._changed.clear()
        return self._counters

    def changed(self) -> Mapping[str, Mapping[str, int]]:
        """The counters of routes where something was counted since this, or `all`, was last asked."""
        changed, self._changed = self._changed, set()
        return {route: self._counters[route] for route in changed}

    def with_eligible(self) -> Mapping[str, Mapping[str, int]]:
        """A copy of all counters, and for each route the sum that they and what waits must make."""
        routes = {**self._counters, **{route: self._counters.get(route, {}) for route in self.waiting}}
        return {
            route: {**counters, "eligible": sum(counters.values()) + self.waiting.get(route, 0)}
            for route, counters in routes.items()
        }
