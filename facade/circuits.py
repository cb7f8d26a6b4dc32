"""The breakers of all routes, and who hears when one changes."""

from __future__ import annotations

import random
import time

from facade.core.breaker import Breaker, BreakerRules, Circuit
from facade.ports import Teller


class Circuits:
    """One breaker per route that can fall back; they outlive reloads of the plan."""

    def __init__(self, teller: Teller, rules: BreakerRules | None = None) -> None:
        """All circuits start closed."""
        self._teller, self._rules = teller, rules or BreakerRules()
        self._breakers: dict[str, Breaker] = {}
        self._known: dict[str, Circuit] = {}

    def admits(self, route: str) -> bool:
        """Whether the service may be called for this route."""
        admitted = self._of(route).admits(time.monotonic())
        self._tell(route)
        return admitted

    def succeeded(self, route: str) -> None:
        """The service answered."""
        self._of(route).succeeded(time.monotonic())
        self._tell(route)

    def failed(self, route: str) -> None:
        """The service did not answer, or answered with a failure."""
        self._of(route).failed(time.monotonic(), random.random())  # noqa: S311 - jitter, no secret
        self._tell(route)

    def abandoned(self, route: str) -> None:
        """The client went away before it could be told how the service did."""
        self._of(route).abandoned()

    def states(self) -> dict[str, Circuit]:
        """The state of every circuit that was ever asked for."""
        return {route: breaker.state for route, breaker in self._breakers.items()}

    def _of(self, route: str) -> Breaker:
        found = self._breakers.get(route)
        if found is None:
            found = self._breakers[route] = Breaker(self._rules)
        return found

    def _tell(self, route: str) -> None:
        state = self._breakers[route].state
        if self._known.get(route, Circuit.CLOSED) is not state:
            self._known[route] = state
            self._teller.circuit(route, state.value)
