"""What is in stock, asked of whoever owns it: the facade sends the question to that side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import orjson

from extracted.asking import Neighbour, NoAnswer
from extracted.catalog.errors import StockAway

KEPT = 1.0  # seconds: a shelf that was emptied is told so at the latest then
BETTER_THAN_NOTHING = 300.0  # seconds: how old an answer may be while nobody can be asked
MOST = 50_000  # shelves kept at once
TIMEOUT = 1.5  # seconds, below the patience of whoever asks the catalog
BRISK = 0.25  # seconds, where the last answer is at hand
QUIET = 0.5  # seconds without a new attempt after one that failed
AT_ONCE = 100  # ids in one question


@dataclass(frozen=True, slots=True)
class Shelf:
    """How many there are of a product, and when more are expected."""

    quantity: int
    restock_note: str | None


NOTHING = Shelf(0, None)


class Shelves:
    """Shelves by the product's integer id. Safe to share between threads."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._owner, self._brisk = Neighbour(url, TIMEOUT), Neighbour(url, BRISK)
        self._clock = clock
        self._known: dict[int, tuple[float, Shelf]] = {}
        self._quiet_until = 0.0
        self._asking = threading.Lock()

    def of(self, products: Collection[int]) -> dict[int, Shelf]:
        """The shelf of each product, at most a second old; raises StockAway when nobody can be asked."""
        now = self._clock()
        if not all(self._fresh(number, now, KEPT) for number in products):
            with self._asking:  # who waited here mostly finds that the one before has asked for it
                self._refresh(products)
        return {number: self._known.get(number, (0.0, NOTHING))[1] for number in products}

    def close(self) -> None:
        """Let go of this thread's connections."""
        self._owner.close()
        self._brisk.close()

    def _refresh(self, products: Collection[int]) -> None:
        now = self._clock()
        wanted = sorted(number for number in products if not self._fresh(number, now, KEPT))
        known = all(self._fresh(number, now, BETTER_THAN_NOTHING) for number in wanted)
        try:
            for start in range(0, len(wanted), AT_ONCE):
                asked = with_neighbours(wanted[start : start + AT_ONCE])
                self._learn(asked, now, self._brisk if known else self._owner)
        except NoAnswer as error:
            if not known:
                raise StockAway(f"the stock cannot be asked: {error}") from error

    def _fresh(self, product: int, now: float, age: float) -> bool:
        known = self._known.get(product)
        return known is not None and now - known[0] <= age

    def _learn(self, products: list[int], now: float, owner: Neighbour) -> None:
        if now < self._quiet_until:
            raise NoAnswer(f"{owner.url} did not answer a moment ago")
        try:
            found = ask(owner, products)
        except NoAnswer:
            self._quiet_until = now + QUIET
            raise
        if len(self._known) + len(products) > MOST:
            self._known.clear()
        for number in products:
            self._known[number] = (now, found.get(number, NOTHING))


def ask(owner: Neighbour, products: list[int]) -> dict[int, Shelf]:
    """The shelves of those products that have one; raises NoAnswer."""
    reply = owner.get(f"/api/stock?ids={','.join(map(str, products))}")
    if reply.status != 200:
        raise NoAnswer(f"{owner.url} answered {reply.status}")
    try:
        items = orjson.loads(reply.body)["items"]
        return {item["product_id"]: Shelf(item["quantity"], item["restock_note"]) for item in items}
    except (ValueError, KeyError, TypeError) as error:
        raise NoAnswer(f"{owner.url} answered something else than the stock") from error


def with_neighbours(products: list[int]) -> list[int]:
    """One product comes with its hundred: who shows one shows another next, and a question costs the same."""
    if len(products) != 1:
        return products
    first = (products[0] - 1) // AT_ONCE * AT_ONCE + 1
    return list(range(max(1, first), first + AT_ONCE))
