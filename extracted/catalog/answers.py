"""From rows and shelves to the monolith's JSON: cents to a number, the UUID stays inside."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from extracted.catalog.shelves import Shelf

Row = sa.RowMapping


def price(cents: int, exact: float | None = None) -> float:
    """The float nearest to the decimal amount: the one that `19.99` is read as."""
    return cents / 100 if exact is None else exact


def instant(moment: datetime) -> str:
    """UTC to the second, as in `2026-03-01T11:00:00Z`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def summary(row: Row, shelf: Shelf) -> dict[str, Any]:
    """A product in a list."""
    return {
        "id": row["legacy_id"],
        "sku": row["sku"],
        "slug": row["slug"],
        "name": row["name"],
        "price": price(row["price_cents"], row["price_exact"]),
        "currency": row["currency"],
        "in_stock": shelf.quantity > 0,
        "updated_at": instant(row["updated_at"]),
    }


def product(row: Row, shelf: Shelf) -> dict[str, Any]:
    """A product by itself; `row` also holds its category's `category_legacy_id`, `_slug` and `_name`."""
    return summary(row, shelf) | {
        "description": row["description"],
        "restock_note": shelf.restock_note,
        "category": {
            "id": row["category_legacy_id"],
            "slug": row["category_slug"],
            "name": row["category_name"],
        },
        "attributes": row["attributes"],
        "tags": row["tags"],
    }


def category(row: Row) -> dict[str, Any]:
    """A category with the number of its products."""
    return {
        "id": row["legacy_id"],
        "slug": row["slug"],
        "name": row["name"],
        "product_count": row["product_count"],
    }
