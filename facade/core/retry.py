"""A budget for automatic retries: they mend a closed connection, they must not double an outage."""

from __future__ import annotations


class RetryBudget:
    """A tenth of a retry is earned with each request, up to a burst of ten."""

    __slots__ = ("_burst", "_earned", "_tokens")

    def __init__(self, earned: float = 0.1, burst: float = 10.0) -> None:
        """Start with a full burst: the first idle connections die before many requests were made."""
        self._earned, self._burst, self._tokens = earned, burst, burst

    def earn(self) -> None:
        """A request was made."""
        self._tokens = min(self._burst, self._tokens + self._earned)

    def spend(self) -> bool:
        """Whether one more retry may be made."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
