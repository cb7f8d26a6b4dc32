"""Copies of answers for the tap, within a route's limit and a budget for all of them together."""

from __future__ import annotations


class CopyBudget:
    """How many bytes all copies may take before their last byte."""

    def __init__(self, limit: int) -> None:
        """`limit` bytes in all."""
        self.limit, self.used = limit, 0


class Copy:
    """The body of one answer as it passes; `lost` says why there is none in the end."""

    __slots__ = ("_budget", "_limit", "_parts", "_size", "lost")

    def __init__(self, limit: int, budget: CopyBudget) -> None:
        """Keep at most `limit` bytes."""
        self._limit, self._budget = limit, budget
        self._parts: list[bytes] = []
        self._size = 0
        self.lost: str | None = None

    def add(self, data: bytes) -> None:
        """Keep `data`, or give up on this copy."""
        if self.lost is not None:
            return
        if self._size + len(data) > self._limit:
            self._give_up("too_large")
        elif self._budget.used + len(data) > self._budget.limit:
            self._give_up("memory")
        else:
            self._parts.append(data)
            self._size += len(data)
            self._budget.used += len(data)

    def take(self) -> bytes:
        """The body; its bytes leave the budget."""
        body = b"".join(self._parts)
        self.close()
        return body

    def close(self) -> None:
        """Let go of what was kept."""
        self._budget.used -= self._size
        self._parts, self._size = [], 0

    def _give_up(self, why: str) -> None:
        self.close()
        self.lost = why
