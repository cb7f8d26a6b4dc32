"""The three planted faults, and their switch: realistic mistakes for a shadow comparison to find.

They are made in `show_product` alone, so that it is known exactly what has to be found.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from enum import IntFlag
from typing import Any


class Fault(IntFlag):
    """One mistake each; a set of them is their sum, which fits in the one byte that is shared."""

    TYPE = 1  # the first attribute's integer becomes a string, on every product
    ROUNDING = 2  # the price is one cent too low on 2 % of the products
    MISSING = 4  # `restock_note` is absent when the product is out of stock


NONE = Fault(0)
NAMES = {fault.name.lower(): fault for fault in Fault if fault.name}


def parse(names: Iterable[str]) -> Fault:
    """The set that `names` ("type", "rounding", "missing") say. Raises ValueError on any other name."""
    chosen = NONE
    for name in names:
        if name not in NAMES:
            raise ValueError(f"there is no fault {name!r}; choose from {', '.join(sorted(NAMES))}")
        chosen |= NAMES[name]
    return chosen


def names(chosen: Fault) -> list[str]:
    """The names in `chosen`, sorted: the same set is always the same build id."""
    return sorted(name for name, fault in NAMES.items() if fault in chosen)


def build_id(build: str, chosen: Fault) -> str:
    """`build` with its faults: another set of them is another build, so it starts a new count."""
    return f"{build}+faults.{'.'.join(names(chosen))}" if chosen else build


def spoil(product: dict[str, Any], chosen: Fault) -> dict[str, Any]:
    """Make the `chosen` mistakes in a product's answer, in place."""
    if Fault.TYPE in chosen and product["attributes"]:
        first = product["attributes"][0]
        product["attributes"] = [first | {"value": str(first["value"])}, *product["attributes"][1:]]
    if Fault.ROUNDING in chosen and product["id"] % 50 == 7:
        # What int(19.99 * 100) gives: the classic cent that is lost on the way to integers.
        product["price"] = (round(product["price"] * 100) - 1) / 100
    if Fault.MISSING in chosen and not product["in_stock"]:
        del product["restock_note"]
    return product


class Switch:
    """The active faults, in one shared byte: every thread and every forked worker sees a change at once."""

    def __init__(self, chosen: Fault = NONE) -> None:
        self._shared = mmap.mmap(-1, 1)
        self.set(chosen)

    def get(self) -> Fault:
        """What is active now."""
        return Fault(self._shared[0])

    def set(self, chosen: Fault) -> None:
        """Make exactly `chosen` active."""
        self._shared[0] = int(chosen)
