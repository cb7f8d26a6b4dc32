"""From a request to an order: what is wanted, at which price, and that it happens once."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from extracted.orders.amounts import prices
from extracted.orders.calls import Calls, written
from extracted.orders.database import Insert
from extracted.orders.errors import DatabaseAway, Refused, Taken
from extracted.orders.rows import Line, Placed, Wanted
from extracted.orders.schema import utc_now
from extracted.orders.shop import Shop
from extracted.orders.store import LARGEST_ID, Store

METHODS = ("card", "invoice", "paypal")
MOST_OF_ONE = 99
ANSWERED = "SELECT * FROM answered WHERE customer_id = :customer AND key = :key"
USED = "There is an order with this reference already."

Headers = Mapping[str, str]


class KeyMisused(Exception):
    """An Idempotency-Key came with another request than the first time: 422."""


class InFlight(Exception):
    """The first request with this Idempotency-Key is not finished: 409."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it is kept for a repetition."""

    status: int
    location: str
    body: str


@dataclass(frozen=True, slots=True)
class Once:
    """The Idempotency-Key of a request, and what the request was."""

    customer_id: int
    key: str
    fingerprint: str

    @staticmethod
    def of(customer_id: int, key: str, *request: bytes) -> Once:
        """`request`: everything that makes two requests the same."""
        digest = hashlib.sha256()
        for part in request:
            digest.update(len(part).to_bytes(8) + part)
        return Once(customer_id, key, digest.hexdigest())


class Counter:
    """Places orders. Safe to share between threads."""

    def __init__(self, store: Store, shop: Shop, calls: Calls) -> None:
        self._store, self._shop, self._calls = store, shop, calls
        self._in_flight: set[tuple[int, str]] = set()
        self._lock = threading.Lock()

    def answer(
        self, once: Once | None, place: Callable[[], Wanted], say: Callable[[Placed], Answer]
    ) -> tuple[Answer, Wanted | None, Placed | None]:
        """Place what `place` wants, and what to answer; what was answered before is answered again.

        (answer, None, None) for a repetition. Raises Refused, KeyMisused, InFlight and what the store raises.
        """
        if once is None:
            wanted, placed = self._placed(place, lambda _: [])
            return say(placed), wanted, placed
        with self._only(once):
            known = self._known(once)
            if known is not None:
                return known, None, None
            try:
                wanted, placed = self._placed(place, lambda made: [_kept(once, say(made))])
            except Taken as error:
                # Another process was faster with the same key.
                if "answered" not in error.what or (known := self._known(once)) is None:
                    raise
                return known, None, None
            return say(placed), wanted, placed

    def from_cart(
        self, customer_id: int, cart_id: int | None, method: str, reference: str | None, caller: Headers
    ) -> Wanted:
        """What the caller's cart holds, at the monolith's sums. Raises Refused and ShopAway."""
        _check(method)
        if cart_id is not None:
            self._calls.finish(cart_id)
        cart = self._shop.cart(caller)
        if not cart["items"]:
            raise Refused("Your cart is empty.")
        lines = [
            Line(item["product_id"], item["quantity"], item["price"], item["name"], item["id"])
            for item in cart["items"]
        ]
        return Wanted(
            customer_id,
            self._shop.address(customer_id),
            method,
            _by_product(lines),
            cart["discount"],
            cart["shipping"],
            cart["total"],
            cart["coupon"],
            cart_id,
            reference,
        )

    def from_items(
        self, customer_id: int, items: Mapping[int, int], method: str, reference: str | None, caller: Headers
    ) -> Wanted:
        """A quick order: {product: quantity} at today's prices. Raises Refused and ShopAway."""
        lines = [self._line(product_id, quantity) for product_id, quantity in items.items()]
        _check(method)
        shipping, total = prices([(line.price, line.quantity) for line in lines], self._shop.postage(caller))
        address = self._shop.address(customer_id)
        goods = _by_product(lines)
        return Wanted(customer_id, address, method, goods, 0.0, shipping, total, reference=reference)

    def _line(self, product_id: int, quantity: int) -> Line:
        if not 1 <= quantity <= MOST_OF_ONE:
            raise Refused(f"The quantity must be from 1 to {MOST_OF_ONE}.")
        product = self._shop.product(product_id) if 0 < product_id <= LARGEST_ID else None
        if product is None:
            raise Refused("There is no such product.")
        return Line(product_id, quantity, product.price, product.name)

    def _placed(
        self, place: Callable[[], Wanted], extra: Callable[[Placed], list[Insert]]
    ) -> tuple[Wanted, Placed]:
        for _ in range(2):
            wanted = place()

            def beside(made: Placed, wanted: Wanted = wanted) -> list[Insert]:
                return [written(wanted.note(made.order["legacy_id"])), *extra(made)]

            try:
                return wanted, self._store.place(wanted, beside)
            except Taken as error:
                if "client_reference" in error.what:
                    raise Refused(USED) from error
                # The cart is being ordered by another request: it is emptied first, and then read again.
                if "cart" not in error.what:
                    raise
        raise DatabaseAway("this cart is being ordered by another request")

    def _known(self, once: Once) -> Answer | None:
        values = {"customer": once.customer_id, "key": once.key}
        for row in self._store.database.read(ANSWERED, values):
            if row["fingerprint"] != once.fingerprint:
                raise KeyMisused
            return Answer(row["status"], row["location"], row["body"])
        return None

    def _only(self, once: Once) -> _Only:
        return _Only(self._in_flight, self._lock, (once.customer_id, once.key))


class _Only:
    """Within it, no other request of this process has the key."""

    def __init__(self, busy: set[Any], lock: threading.Lock, key: Any) -> None:
        self._busy, self._lock, self._key = busy, lock, key

    def __enter__(self) -> None:
        with self._lock:
            if self._key in self._busy:
                raise InFlight
            self._busy.add(self._key)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._busy.discard(self._key)


def _check(method: str) -> None:
    if method not in METHODS:
        raise Refused(f"Pay by {', '.join(METHODS)}.")


def _by_product(lines: list[Line]) -> tuple[Line, ...]:
    return tuple(sorted(lines, key=lambda line: line.product_id))


def _kept(once: Once, answer: Answer) -> Insert:
    row = {
        "customer_id": once.customer_id,
        "key": once.key,
        "fingerprint": once.fingerprint,
        "status": answer.status,
        "location": answer.location,
        "body": answer.body,
        "at": utc_now(),
    }
    return "answered", [row]
