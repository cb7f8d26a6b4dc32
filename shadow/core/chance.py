"""Chance, as the core sees it: somebody else's generator."""

from __future__ import annotations

from typing import Protocol


class Chance(Protocol):
    """What `random.Random` gives."""

    def randrange(self, stop: int, /) -> int:
        """A whole number below `stop`, each as likely as the others."""
        ...
