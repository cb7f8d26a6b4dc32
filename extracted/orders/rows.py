"""What is ordered, as values, and the rows that it becomes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from extracted.orders.amounts import kept
from extracted.orders.database import Insert
from extracted.orders.schema import stable_id

Row = dict[str, Any]


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


def order_row(wanted: Wanted, number: int, now: datetime) -> Row:
    """The order's own row."""
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


def beside(wanted: Wanted, order: Row, payment: int, lines: list[int]) -> list[Insert]:
    """The order's row with those that belong to it; `payment` and `lines` are their numbers."""
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


def invoice_row(order: Row, number: int, now: datetime) -> Row:
    """The invoice of an order that is paid."""
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
