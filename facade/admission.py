"""Bounded concurrency: what cannot be served soon is refused early, and no backend takes all the room."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from facade.core.refuse import refuse
from facade.errors import UpstreamError

# A backend that hangs keeps at most this share of the places, so that the other side's routes go on.
_BULKHEAD = 0.75
# Of the limit. Evidence goes before users do: one backend has not reached its share yet.
_PRESSED, _EASED = 2 / 3, 1 / 2


class Admission:
    """Counts requests in flight, in all and per backend."""

    def __init__(self, press: Callable[[bool], None]) -> None:
        """Nothing is in flight; `press` hears when there is no strength to spare, and when there is again."""
        self.in_flight = 0
        self.per_upstream: dict[str, int] = {}
        self._press, self._pressed, self._eased_at = press, False, 0.0

    def enter(self, limit: int) -> None:
        """Let a request in; Refused (503) when `limit` are in flight already."""
        if self.in_flight >= limit:
            raise refuse(
                503, "overload", "There are too many requests at once. Try again in a moment.", retry_after=1
            )
        self.in_flight += 1
        if self.in_flight > max(1.0, limit * _PRESSED):  # one request is no load
            self._eased_at = limit * _EASED
            if not self._pressed:
                self._pressed = True
                self._press(True)

    def leave(self, places: Iterable[str]) -> None:
        """A request is over, and gives back its places at backends."""
        self.in_flight -= 1
        for upstream in places:
            self.per_upstream[upstream] -= 1
        if self._pressed and self.in_flight <= self._eased_at:
            self._pressed = False
            self._press(False)

    def occupy(self, upstream: str, limit: int) -> None:
        """Take a place at a backend; UpstreamError (overloaded) when its share of `limit` is taken."""
        taken = self.per_upstream.get(upstream, 0)
        if taken >= max(1, int(limit * _BULKHEAD)):
            raise UpstreamError("overloaded", upstream, f"{taken} requests at once")
        self.per_upstream[upstream] = taken + 1
