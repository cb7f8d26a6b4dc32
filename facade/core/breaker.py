"""A circuit breaker for one route, used only where legacy can answer instead.

It looks at failures in a row and at their share in a short window; time and jitter come in as arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Circuit(StrEnum):
    """closed: calls pass; open: none does; half_open: one probe at a time does."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """Five failures in a row, or half of at least twenty calls within ten seconds, open the circuit.

    The pause before a probe doubles from one second to ten; two good probes close the circuit again.
    """

    in_a_row: int = 5
    window: float = 10.0
    window_calls: int = 20
    window_share: float = 0.5
    pause: float = 1.0
    max_pause: float = 10.0
    good_probes: int = 2


class Breaker:
    """The state of one route's circuit."""

    __slots__ = (
        "_calls",
        "_failed",
        "_good",
        "_opened",
        "_pause",
        "_probing",
        "_row",
        "_rules",
        "_since",
        "state",
    )

    def __init__(self, rules: BreakerRules) -> None:
        """Start closed."""
        self._rules = rules
        self._row = self._calls = self._failed = self._good = 0
        self._since = self._opened = 0.0
        self._pause = rules.pause
        self._probing: float | None = None
        self.state = Circuit.CLOSED

    def admits(self, now: float) -> bool:
        """Whether a call may be made now; in doubt one probe is let through."""
        if self.state is Circuit.OPEN and now - self._opened >= self._pause:
            self.state, self._good, self._probing = Circuit.HALF_OPEN, 0, None
        if self.state is Circuit.CLOSED:
            return True
        # A probe whose caller vanished without a word must not keep the circuit half open for ever.
        if self.state is Circuit.OPEN or (
            self._probing is not None and now - self._probing < self._rules.window
        ):
            return False
        self._probing = now
        return True

    def succeeded(self, now: float) -> None:
        """A call was answered."""
        self._row = 0
        self._count(now, failed=False)
        if self.state is Circuit.HALF_OPEN:
            self._probing = None
            self._good += 1
            if self._good >= self._rules.good_probes:
                self.state, self._pause, self._calls, self._failed = Circuit.CLOSED, self._rules.pause, 0, 0

    def failed(self, now: float, jitter: float) -> None:
        """A call failed; `jitter` 0..1 spreads the probes of several facades."""
        self._row += 1
        self._count(now, failed=True)
        if self.state is Circuit.HALF_OPEN:
            self._pause = min(self._pause * 2, self._rules.max_pause)
            self._open(now, jitter)
        elif self.state is Circuit.CLOSED and self._is_bad():
            self._open(now, jitter)

    def abandoned(self) -> None:
        """A call ended without telling anything about the service: its client went away."""
        self._probing = None

    def _is_bad(self) -> bool:
        rules = self._rules
        return self._row >= rules.in_a_row or (
            self._calls >= rules.window_calls and self._failed >= self._calls * rules.window_share
        )

    def _open(self, now: float, jitter: float) -> None:
        self.state, self._probing, self._row = Circuit.OPEN, None, 0
        # Up to a fifth later, so that the probes of several facades do not come at once.
        self._opened = now + self._pause * 0.2 * jitter

    def _count(self, now: float, *, failed: bool) -> None:
        if now - self._since > self._rules.window:
            self._since, self._calls, self._failed = now, 0, 0
        self._calls += 1
        self._failed += failed
