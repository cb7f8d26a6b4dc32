"""The service's statements: one order is one short transaction, and everybody takes locks in one order.

First the shelves by product (two orders for the same goods the other way round would wait for each other),
then the rows that are new, which wait for nobody but an order of the same reference, key or cart.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from extracted.orders.database import DIVISION, Database, Insert, Transaction, inserting
from extracted.orders.errors import OutOfIds, Refused
from extracted.orders.rows import Placed, Wanted, beside, invoice_row, order_row
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
# The shelves are locked by product before one of them changes; where one lacks pieces the statement divides
# by zero, which undoes all of it.
AT_ONCE = """
WITH goods (product_id, quantity) AS (VALUES {goods}),
locked AS (
    SELECT s.product_id, g.quantity FROM stock s JOIN goods g ON g.product_id = s.product_id
    ORDER BY s.product_id FOR UPDATE OF s
),
taken AS (
    UPDATE stock s SET quantity = s.quantity - l.quantity FROM locked l
    WHERE s.product_id = l.product_id AND s.quantity >= l.quantity RETURNING 1
),
{inserts}
SELECT 1 / CASE WHEN (SELECT count(*) FROM taken) = :lines THEN 1 ELSE 0 END
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


class Store:
    """The service's questions and changes. Raises what `database` raises."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def place(self, wanted: Wanted, extra: Any) -> Placed:
        """Place it in one transaction, with the inserts that `extra(placed)` names. Raises Refused, Taken."""

        def work(transaction: Transaction) -> Placed:
            number, payment, lines = _draw(transaction, len(wanted.lines))
            placed = Placed(order_row(wanted, number, utc_now()), wanted.lines)
            inserts = [*beside(wanted, placed.order, payment, lines), *extra(placed)]
            if transaction.postgres:
                _at_once(transaction, wanted, inserts)
            else:
                _one_by_one(transaction, wanted, inserts)
            return placed

        return self.database.alone(work) if self.database.postgres else self.database.write(work)

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
                rows = [
                    invoice_row(order, number, now) for order, number in zip(orders, numbers, strict=True)
                ]
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


def _one_by_one(transaction: Transaction, wanted: Wanted, inserts: Sequence[Insert]) -> None:
    for line in wanted.lines:
        if transaction.run(TAKE, {"product_id": line.product_id, "quantity": line.quantity}) == 0:
            raise Refused(SOLD_OUT)
    transaction.insert(inserts)


def _at_once(transaction: Transaction, wanted: Wanted, inserts: Sequence[Insert]) -> None:
    # One statement is one transaction: one way there and back, and locks are held no longer than it takes.
    goods = ", ".join(f"(CAST(:p{at} AS int), CAST(:q{at} AS int))" for at in range(len(wanted.lines)))
    values: Row = {"lines": len(wanted.lines)}
    for at, line in enumerate(wanted.lines):
        values |= {f"p{at}": line.product_id, f"q{at}": line.quantity}
    parts = []
    for at, insert in enumerate(inserts):
        statement, more = inserting(insert)
        parts.append(f"w{at} AS ({statement})")
        values |= more
    transaction.committing = True
    try:
        transaction.run(AT_ONCE.format(goods=goods, inserts=", ".join(parts)), values)
    except Exception as error:
        if getattr(error, "sqlstate", None) == DIVISION:
            raise Refused(SOLD_OUT) from error
        raise


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
