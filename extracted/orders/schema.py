"""The service's own tables: UUIDv5 ids, integer cents, UTC instants.

`legacy_id` is the monolith's integer id, drawn from a block that the monolith's generator was advanced by:
callers know orders by it, and an order placed here keeps it when the monolith takes over again.
Where an amount is no whole number of cents (109.05000000000001 came out of a sum of floats) `…_exact` keeps
the float itself beside the nearest cents; where the clocks skipped a local time, `…_local` keeps it.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

# The same namespace in every service: a product has one id wherever it is spoken of (RFC 9562 §5.5).
NAMESPACE = uuid.UUID("6f0d6f0c-59c3-5a43-9c35-0e1a5f6b7f11")

metadata = sa.MetaData()


def stable_id(kind: str, legacy_id: int) -> uuid.UUID:
    """The UUIDv5 of the monolith's row `legacy_id` of `kind`: order, line, payment, invoice or product."""
    return uuid.uuid5(NAMESPACE, f"{kind}:{legacy_id}")


class Instant(sa.types.UserDefinedType[datetime]):
    """An aware datetime in UTC; in SQLite a text in ISO 8601, declared so that a reader knows what it is."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The same word on every database."""
        return "TIMESTAMPTZ"


class Local(sa.types.UserDefinedType[datetime]):
    """A naive datetime, as the monolith wrote it."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The same word on every database."""
        return "TIMESTAMP"


def _id() -> tuple[sa.Column[Any], sa.Column[Any]]:
    return sa.Column("id", sa.Uuid, primary_key=True), sa.Column(
        "legacy_id", sa.Integer, nullable=False, unique=True
    )


def _money(name: str) -> tuple[sa.Column[Any], sa.Column[Any]]:
    return sa.Column(f"{name}_cents", sa.BigInteger, nullable=False), sa.Column(f"{name}_exact", sa.Double)


def _moment(name: str) -> tuple[sa.Column[Any], sa.Column[Any]]:
    return sa.Column(f"{name}_at", Instant, nullable=False), sa.Column(f"{name}_local", Local)


def _order() -> tuple[sa.Column[Any], sa.Column[Any]]:
    # The integer stands beside the id, since an id cannot be computed backwards.
    return (
        sa.Column("order_id", sa.ForeignKey("orders.id"), nullable=False, index=True),
        sa.Column("legacy_order_id", sa.Integer, nullable=False),
    )


orders = sa.Table(
    "orders",
    metadata,
    *_id(),
    sa.Column("customer_id", sa.Integer, nullable=False),
    sa.Column("address_id", sa.Integer),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("coupon_code", sa.Text),
    *_money("discount"),
    *_money("shipping"),
    *_money("total"),
    *_moment("placed"),
    sa.Column("client_reference", sa.Text, unique=True),
    sa.Index("orders_by_customer", "customer_id", "legacy_id"),
)

order_lines = sa.Table(
    "order_lines",
    metadata,
    *_id(),
    *_order(),
    sa.Column("product_id", sa.Integer, nullable=False),
    sa.Column("quantity", sa.Integer, nullable=False),
    *_money("unit_price"),
)

payments = sa.Table(
    "payments",
    metadata,
    *_id(),
    *_order(),
    sa.Column("method", sa.Text, nullable=False),
    *_money("amount"),
    sa.Column("status", sa.Text, nullable=False),
    *_moment("created"),
)

invoices = sa.Table(
    "invoices",
    metadata,
    *_id(),
    sa.Column("order_id", sa.ForeignKey("orders.id"), nullable=False, unique=True),
    sa.Column("legacy_order_id", sa.Integer, nullable=False),
    sa.Column("number", sa.Text, nullable=False, unique=True),
    *_money("total"),
    *_moment("issued"),
)

stock = sa.Table(
    "stock",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),  # the product's
    sa.Column("product_id", sa.Integer, nullable=False, unique=True),
    sa.Column("quantity", sa.Integer, nullable=False),
    sa.Column("restock_note", sa.Text),
    *_moment("updated"),
)

# -- the service's own: no counterpart in the monolith, not part of the sync ---------------------------

answered = sa.Table(
    "answered",
    metadata,
    sa.Column("customer_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("key", sa.Text, primary_key=True),  # the request's Idempotency-Key
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("location", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
)

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("order_id", sa.Integer, primary_key=True, autoincrement=False),  # the monolith's integer
    sa.Column("cart_id", sa.Integer),
    sa.Column("body", sa.Text, nullable=False),  # what the monolith is told, as JSON
    sa.Column("at", Instant, nullable=False),
    # An order for a cart that the monolith has not yet emptied would order the same goods again.
    sa.Index("one_call_a_cart", "cart_id", unique=True),
)


def utc_now() -> datetime:
    """Now, to the second, as the monolith keeps it."""
    return datetime.now(UTC).replace(microsecond=0)
