"""The service's statements: one order is one short transaction, and everybody takes locks in one order.

First the rows that are new (they wait for nobody but an order of the same key, reference or cart), then the
shelves by product: two orders for the same goods the other way round would wait for each other.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from extracted.orders.amounts import kept
from extracted.orders.database import Database, Insert, Transaction
from extracted.orders.errors import OutOfIds, Refused
from extracted.orders.schema import stable_id, utc_now

Row = dict[str, Any]
LARGEST_ID = 2**31 - 1  # the monolith's `integer`: beyond it there is nothing
SOLD_OUT = "Something in your cart has just been sold out."
ANSWERS_COUNT = timedelta(days=2)  # how long a repeated request gets its first answer
CANCELLED_AFTER = timedelta(days=14)

ORDER = "SELECT * FROM orders WHERE legacy_id = :number AND customer_id = :customer"
NEWEST = "SELECT * FROM orders WHERE customer_id = :customer ORDER BY legacy_id DESC LIMIT 50"
LINES = "SELECT * FROM order_lines WHERE order_id = :id ORDER BY legacy_id"
SHELVES = "SELECT product_id, quantity, restock_note FROM stock WHERE product_id IN ({}) ORDER BY product_id"
TAKE = """
UPDATE stock SET quantity = quantity - :quantity WHERE product_id = :product_id AND quantity >= :quantity
"""
COUNTED = """
INSERT INTO stock (id, product_id, quantity, restock_note, updated_at, updated_local)
VALUES (:id, :product_id, :quantity, :note, :now, NULL)
ON CONFLICT (product_id) DO UPDATE
SET quantity = :quantity, restock_note = :note, updated_at = :now, updated_local = NULL
"""
STATUS = "UPDATE orders SET status = :status WHERE legacy_id = :number"
PAID_WITHOUT_INVOICE = """
SELECT o.id, o.legacy_id, o.total_cents, o.total_exact FROM orders o
WHERE o.status = 'paid' AND NOT EXISTS (SELECT 1 FROM invoices i WHERE i.order_id = o.id)
ORDER BY o.legacy_id LIMIT :most
"""
CANCEL_UNPAID = "UPDATE orders SET status = 'cancelled' WHERE status = 'new' AND placed_at < :before"
FORGET_ANSWERS = "DELETE FROM answered WHERE at < :before"

# The monolith's integers: from PostgreSQL's sequences, or from SQLite's table of blocks.
DRAWN = """
SELECT nextval('sf.ids_orders_order') AS one, nextval('sf.ids_orders_payment') AS two,
(SELECT array_agg(nextval('sf.ids_orders_line')) FROM generate_series(1, :lines)) AS lines
"""
DRAWN_INVOICES = "SELECT nextval('sf.ids_orders_invoice') AS number FROM generate_series(1, :size)"
NEXT = """
UPDATE sf_ids SET next = next + :size WHERE slice = 'orders' AND entity = :entity AND next + :size - 1 <= last
RETURNING next - :size AS first
"""


@dataclass(frozen=True, slots=True)
class Line:
    """What is ordered of one product; `item` is the cart's entry that it came from."""

    product_id: int
    quantity: int
    price: float
    name: str
    item: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """An order that can be placed if the shelves hold it."""

    customer_id: int
    address_id: int | None
    method: str
    lines: tuple[Line, ...]  # by product
    discount: float
    shipping: float
    total: float
    coupon: str | None = None
    cart_id: int | None = None
    reference: str | None = None

    def note(self, number: int) -> Row:
        """What the monolith is told: empty the cart, count the coupon, write the mail down."""
        items = [(line.item, line.quantity) for line in self.lines if line.item is not None]
        return {
            "order_id": number,
            "customer_id": self.customer_id,
            "coupon": self.coupon,
            "cart_id": self.cart_id,
            "items": items,
        }


@dataclass(frozen=True, slots=True)
class Placed:
    """An order as it was placed: its row, and its lines with their names."""

    order: Row
    lines: tuple[Line, ...]


class Store:
    """The service's questions and changes. Raises what `database` raises."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def place(self, wanted: Wanted, extra: Any) -> Placed:
        """Place it in one transaction, with the inserts that `extra(placed)` names. Raises Refused, Taken."""

        def work(transaction: Transaction) -> Placed:
            number, payment, lines = _draw(transaction, len(wanted.lines))
            placed = Placed(_order_row(wanted, number, utc_now()), wanted.lines)
            transaction.insert([*_rows(wanted, placed.order, payment, lines), *extra(placed)])
            for line in wanted.lines:
                if transaction.run(TAKE, {"product_id": line.product_id, "quantity": line.quantity}) == 0:
                    raise Refused(SOLD_OUT)
            return placed

        return self.database.write(work)

    def order(self, number: int, customer: int) -> Row | None:
        """The customer's order, or None when it is nobody's or somebody else's."""
        if number > LARGEST_ID:
            return None
        found = self.database.read(ORDER, {"number": number, "customer": customer})
        return found[0] if found else None

    def newest(self, customer: int) -> list[Row]:
        """The customer's latest orders."""
        return self.database.read(NEWEST, {"customer": customer})

    def lines(self, order: uuid.UUID) -> list[Row]:
        """The lines of an order."""
        return self.database.read(LINES, {"id": order})

    def shelves(self, products: Sequence[int]) -> list[Row]:
        """What is in stock of those products that have a shelf."""
        marks = ", ".join(f":p{at}" for at in range(len(products)))
        return self.database.read(
            SHELVES.format(marks), {f"p{at}": number for at, number in enumerate(products)}
        )

    def count(self, product_id: int, quantity: int) -> None:
        """Stock was taken: so many there are."""
        note = None if quantity else "on request"
        shelf = {"id": stable_id("product", product_id), "product_id": product_id, "quantity": quantity}
        self.database.write(lambda work: work.run(COUNTED, {**shelf, "note": note, "now": utc_now()}))

    def set_status(self, number: int, status: str) -> bool:
        """Whether there is such an order."""
        values = {"number": min(number, LARGEST_ID), "status": status}
        return self.database.write(lambda work: work.run(STATUS, values)) > 0

    def invoice(self, most: int) -> int:
        """Issue invoices for up to `most` orders that are paid and have none; how many."""

        def work(transaction: Transaction) -> int:
            orders = transaction.rows(PAID_WITHOUT_INVOICE, {"most": most})
            if orders:
                numbers = _draw_invoices(transaction, len(orders))
                now = utc_now()
                rows = [_invoice(order, number, now) for order, number in zip(orders, numbers, strict=True)]
                transaction.insert([("invoices", rows)])
            return len(orders)

        return self.database.write(work)

    def cancel_unpaid(self) -> int:
        """Cancel what nobody has paid for two weeks; how many."""
        before = utc_now() - CANCELLED_AFTER
        return self.database.write(lambda work: work.run(CANCEL_UNPAID, {"before": before}))

    def forget_answers(self) -> int:
        """Drop the answers that nobody repeats any more; how many."""
        before = utc_now() - ANSWERS_COUNT
        return self.database.write(lambda work: work.run(FORGET_ANSWERS, {"before": before}))

    def ready(self) -> None:
        """Raises when the database does not answer, or lacks the tables."""
        self.database.read("SELECT 1 AS one FROM orders LIMIT 1")


def _draw(transaction: Transaction, lines: int) -> tuple[int, int, list[int]]:
    if transaction.postgres:
        drawn = transaction.rows(DRAWN, {"lines": lines})[0]
        return drawn["one"], drawn["two"], drawn["lines"]
    first = _next(transaction, "line", lines)
    return (
        _next(transaction, "order", 1),
        _next(transaction, "payment", 1),
        list(range(first, first + lines)),
    )


def _draw_invoices(transaction: Transaction, size: int) -> list[int]:
    if transaction.postgres:
        return [row["number"] for row in transaction.rows(DRAWN_INVOICES, {"size": size})]
    first = _next(transaction, "invoice", size)
    return list(range(first, first + size))


def _next(transaction: Transaction, entity: str, size: int) -> int:
    drawn = transaction.rows(NEXT, {"entity": entity, "size": size})
    if not drawn:
        raise OutOfIds(f"no numbers are left for a new {entity}; the next flip to this side brings a block")
    first: int = drawn[0]["first"]
    return first


def _order_row(wanted: Wanted, number: int, now: datetime) -> Row:
    return {
        "id": stable_id("order", number),
        "legacy_id": number,
        "customer_id": wanted.customer_id,
        "address_id": wanted.address_id,
        "status": "new" if wanted.method == "invoice" else "paid",
        "coupon_code": wanted.coupon,
        **kept("discount", wanted.discount),
        **kept("shipping", wanted.shipping),
        **kept("total", wanted.total),
        "placed_at": now,
        "placed_local": None,
        "client_reference": wanted.reference,
    }


def _rows(wanted: Wanted, order: Row, payment: int, lines: list[int]) -> list[Insert]:
    of = {"order_id": order["id"], "legacy_order_id": order["legacy_id"]}
    paid = {
        "id": stable_id("payment", payment),
        "legacy_id": payment,
        **of,
        "method": wanted.method,
        **kept("amount", wanted.total),
        "status": "open" if wanted.method == "invoice" else "paid",
        "created_at": order["placed_at"],
        "created_local": None,
    }
    goods = [
        {
            "id": stable_id("line", number),
            "legacy_id": number,
            **of,
            "product_id": line.product_id,
            "quantity": line.quantity,
            **kept("unit_price", line.price),
        }
        for number, line in zip(lines, wanted.lines, strict=True)
    ]
    return [("orders", [order]), ("order_lines", goods), ("payments", [paid])]


def _invoice(order: Row, number: int, now: datetime) -> Row:
    return {
        "id": stable_id("invoice", number),
        "legacy_id": number,
        "order_id": order["id"],
        "legacy_order_id": order["legacy_id"],
        "number": f"R-{order['legacy_id']}",
        "total_cents": order["total_cents"],
        "total_exact": order["total_exact"],
        "issued_at": now,
        "issued_local": None,
    }
