"""What the service asks of others: cart, customer and postage of the monolith, products of the catalog.

Nothing of it is kept for long, and never more than is bounded here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson

from extracted.asking import Neighbour, NoAnswer, Reply
from extracted.orders.errors import ShopAway

T = TypeVar("T")
TIMEOUT = 3.0  # seconds: a cart is made from a dozen queries, and the caller waits for its order
PRICE_COUNTS = 10.0  # seconds: a price that was shown holds as long
NAME_COUNTS = 300.0  # seconds
ADDRESS_COUNTS = 3600.0  # seconds: the first address of a customer stays the first
NO_ADDRESS_COUNTS = 30.0
POSTAGE_COUNTS = 60.0  # seconds, for each client's address
MOST = 20_000  # entries of each kind

# What tells the monolith whose cart it is, and where the client seems to be.
PASSED_ON = ("Cookie", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Accept-Language")


@dataclass(frozen=True, slots=True)
class Product:
    """What an order needs to know of a product."""

    name: str
    price: float


class Kept(Generic[T]):
    """Answers by key with the time at which they were given; full, it forgets everything."""

    def __init__(self, most: int = MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._known: dict[Any, tuple[float, T]] = {}
        self._lock = threading.Lock()

    def get(self, key: Any, age: float, ask: Callable[[], T]) -> T:
        """What is known for at most `age` seconds, or the answer of `ask`."""
        known = self._known.get(key)
        if known is not None and self._clock() - known[0] <= age:
            return known[1]
        found = ask()
        with self._lock:
            if len(self._known) >= self._most:
                self._known.clear()
            self._known[key] = (self._clock(), found)
        return found


class Shop:
    """The monolith and the catalog, over HTTP; raises ShopAway."""

    def __init__(self, legacy_url: str, catalog_url: str, secret: str) -> None:
        self._legacy, self._catalog = Neighbour(legacy_url, TIMEOUT), Neighbour(catalog_url, TIMEOUT)
        self._secret = secret
        self._products: Kept[Product | None] = Kept()
        self._addresses: Kept[int | None] = Kept()
        self._postage: Kept[float] = Kept()

    def cart(self, caller: Mapping[str, str]) -> dict[str, Any]:
        """The caller's cart with its sums, as the monolith shows it."""
        return _found(self._ask(self._legacy, "/api/cart", caller))

    def product(self, number: int, age: float = PRICE_COUNTS) -> Product | None:
        """A product, as it was at most `age` seconds ago."""
        return self._products.get(number, age, lambda: self._ask_product(number))

    def name(self, number: int) -> str:
        """What a product is called; a product that is gone has no name any more."""
        product = self.product(number, NAME_COUNTS)
        return product.name if product else ""

    def address(self, customer_id: int) -> int | None:
        """Where the customer's orders go."""
        path = f"/internal/customers/{customer_id}"

        def ask() -> int | None:
            found: int | None = _found(self._ask(self._legacy, path, self._shown))["address_id"]
            return found

        known = self._addresses.get(customer_id, ADDRESS_COUNTS, ask)
        return self._addresses.get(customer_id, NO_ADDRESS_COUNTS, ask) if known is None else known

    def postage(self, caller: Mapping[str, str]) -> float:
        """What sending costs to where the client seems to be."""
        where = {name: value for name, value in caller.items() if name == "X-Forwarded-For"}
        return self._postage.get(
            where.get("X-Forwarded-For", ""),
            POSTAGE_COUNTS,
            lambda: float(_found(self._ask(self._legacy, "/api/whereami", where))["shipping"]),
        )

    def page(self, path: str, caller: Mapping[str, str]) -> Reply:
        """A page of the monolith as the caller would get it."""
        return self._ask(self._legacy, path, caller)

    def tell(self, orders: list[Any], say: str = "", caller: Mapping[str, str] | None = None) -> list[str]:
        """Orders were placed here; safe to say again. What the monolith sets as cookies."""
        body = orjson.dumps({"orders": orders, "say": say})
        headers = {**(caller or {}), **self._shown, "Content-Type": "application/json"}
        try:
            reply = self._legacy.post("/internal/orders/placed", body, headers)
        except NoAnswer as error:
            raise ShopAway(str(error)) from error
        if reply.status != 200:
            raise ShopAway(f"{self._legacy.url} answered {reply.status} to placed orders")
        return reply.all("Set-Cookie")

    def close(self) -> None:
        """Let go of this thread's connections."""
        self._legacy.close()
        self._catalog.close()

    @property
    def _shown(self) -> dict[str, str]:
        return {"X-Internal-Secret": self._secret}

    def _ask_product(self, number: int) -> Product | None:
        reply = self._ask(self._catalog, f"/api/products/{number}", {})
        if reply.status == 404:
            return None
        found = _found(reply)
        return Product(found["name"], found["price"])

    @staticmethod
    def _ask(whom: Neighbour, path: str, headers: Mapping[str, str]) -> Reply:
        try:
            return whom.get(path, headers)
        except NoAnswer as error:
            raise ShopAway(str(error)) from error


def _found(reply: Reply) -> dict[str, Any]:
    try:
        found = orjson.loads(reply.body) if reply.status == 200 else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ShopAway(f"the shop answered {reply.status} where the service needed to know something")
    return found
