"""How many different keys were seen, in bounded space: the k smallest hashes (Bar-Yossef et al. 2002)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

KEPT = 64  # exact up to here, within about 13 % (1/sqrt(k-2)) above
_SPACE = 2**64


class KeySketch:
    """Counts distinct 64-bit hashes."""

    __slots__ = ("_smallest",)

    def __init__(self, hashes: Iterable[int] = ()) -> None:
        """Start with hashes kept by an earlier sketch."""
        self._smallest = sorted(set(hashes))[:KEPT]

    def add(self, key: int) -> None:
        """See one key's hash."""
        if len(self._smallest) == KEPT and key >= self._smallest[-1]:
            return
        place = bisect_left(self._smallest, key)
        if self._smallest[place : place + 1] != [key]:
            self._smallest.insert(place, key)
            del self._smallest[KEPT:]

    def count(self) -> int:
        """The number of distinct keys: exact below KEPT, an estimate from there on."""
        if len(self._smallest) < KEPT:
            return len(self._smallest)
        return round((KEPT - 1) * _SPACE / max(self._smallest[-1], 1))

    def kept(self) -> list[int]:
        """What to store."""
        return list(self._smallest)
