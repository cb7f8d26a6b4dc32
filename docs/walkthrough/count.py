"""Looks for each confirmed order in both databases of the sample shop, with nothing of Strangler in between.

usage: python count.py receipts.txt; exit 1: an order is not exactly once on both sides
"""

from __future__ import annotations

import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

SIDES = {"the monolith": ".strangler/demo/shop.db", "the service": ".strangler/demo/orders.db"}


def references(file: str) -> Counter[str]:
    """How often each reference is there."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as line:
        return Counter(one for (one,) in line.execute("SELECT client_reference FROM orders") if one)


def main(receipts: str) -> int:
    """Count, say, and return the exit code."""
    confirmed = (
        Path(receipts).read_text(encoding="utf-8").split()
    )  # before the databases: later ones are not asked for
    wrong = 0
    for name, file in SIDES.items():
        there = references(file)
        lost = sum(not there[each] for each in confirmed)
        doubled = sum(there[each] > 1 for each in confirmed)
        wrong += lost + doubled
        sys.stdout.write(f"{name}: {len(confirmed)} confirmed, {lost} lost, {doubled} doubled\n")
    return 1 if wrong or not confirmed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
