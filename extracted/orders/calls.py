"""What the monolith has to be told: written with the order, told until it is, harmless when told twice."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Mapping

import orjson

from extracted.orders.database import Database, Insert, Row
from extracted.orders.errors import OrdersError
from extracted.orders.schema import utc_now
from extracted.orders.shop import Shop

OLDEST = "SELECT order_id, body FROM calls ORDER BY order_id LIMIT :most"
OF_CART = "SELECT order_id, body FROM calls WHERE cart_id = :cart"
DONE = "DELETE FROM calls WHERE order_id IN ({})"
AT_ONCE = 100  # orders in one call: each costs the monolith four small statements
EVERY = 0.25  # seconds between two looks, unless an order wakes us: what another process left is found then
GATHER = 0.2  # seconds from a wake to the call: what is placed meanwhile goes with it, for far less each
PAUSE = 1.0  # seconds after a call that failed

_log = logging.getLogger("orders")


def written(note: Row) -> Insert:
    """The row that goes into the order's transaction."""
    row = {
        "order_id": note["order_id"],
        "cart_id": note["cart_id"],
        "body": orjson.dumps(note).decode(),
        "at": utc_now(),
    }
    return "calls", [row]


class Calls:
    """The calls of this service to the monolith; safe to share between threads and processes."""

    def __init__(self, database: Database, shop: Shop) -> None:
        self._database, self._shop = database, shop
        self._wake = threading.Event()
        self._stop = threading.Event()

    def tell_now(self, note: Row, say: str = "", caller: Mapping[str, str] | None = None) -> list[str]:
        """Tell it at once, since the user looks at the cart next; the cookies that the monolith sets.

        When it does not work it is told later: the order is placed.
        """
        try:
            cookies = self._shop.tell([note], say, caller)
            self._done([note["order_id"]])
        except OrdersError as error:
            _log.warning("order %s is told later: %s", note["order_id"], error)
            self.wake()
            return []
        return cookies

    def finish(self, cart_id: int) -> None:
        """Tell what a cart still has to be emptied of, before it is read again; raises ShopAway."""
        self._tell(self._database.read(OF_CART, {"cart": cart_id}))

    def wake(self) -> None:
        """There is something to tell."""
        self._wake.set()

    def run(self) -> None:
        """Tell until `stop`."""
        while not self._stop.is_set():
            if self._wake.wait(EVERY):
                self._stop.wait(GATHER)
            self._wake.clear()
            try:
                while self._tell(self._database.read(OLDEST, {"most": AT_ONCE})) == AT_ONCE:
                    pass
            except OrdersError as error:
                _log.warning("the monolith is told later: %s", error)
                self._stop.wait(PAUSE)
            except Exception:  # noqa: BLE001 - nobody would start this thread again
                _log.exception("telling the monolith failed")
                self._stop.wait(PAUSE)
        with contextlib.suppress(Exception):
            self._shop.close()
            self._database.close()

    def stop(self) -> None:
        """End `run` soon."""
        self._stop.set()
        self._wake.set()

    def _tell(self, rows: list[Row]) -> int:
        if rows:
            self._shop.tell([orjson.loads(row["body"]) for row in rows])
            self._done([row["order_id"] for row in rows])
        return len(rows)

    def _done(self, orders: list[int]) -> None:
        marks = ", ".join(f":o{at}" for at in range(len(orders)))
        values = {f"o{at}": number for at, number in enumerate(orders)}
        self._database.write(lambda work: work.run(DONE.format(marks), values))
