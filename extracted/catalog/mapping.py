"""From the monolith's rows to the catalog's: floats to cents, local time to UTC, text to JSON. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from extracted.catalog.errors import CatalogError
from extracted.catalog.schema import stable_id

Values = dict[str, Any]


class Unmappable(CatalogError):
    """A row of the monolith has no exact counterpart; a person has to decide what it means."""


def category(row: sa.RowMapping) -> Values:
    """A category as the catalog keeps it."""
    return {
        "id": stable_id("category", row["id"]),
        "legacy_id": row["id"],
        "slug": row["slug"],
        "name": row["name"],
    }


def product(row: sa.RowMapping, source_tz: tzinfo) -> Values:
    """A product as the catalog keeps it. Raises Unmappable, naming the product and the field."""
    try:
        return {
            "id": stable_id("product", row["id"]),
            "legacy_id": row["id"],
            "category_id": stable_id("category", row["category_id"]),
            "legacy_category_id": row["category_id"],
            "sku": row["sku"],
            "slug": row["slug"],
            "name": row["name"],
            "name_folded": row["search_name"],
            "description": row["description"],
            "price_cents": cents(row["price"]),
            "currency": row["currency"],
            "attributes": attributes(row["attributes"]),
            "tags": [tag for tag in row["tags"].split(",") if tag],
            "updated_at": instant(row["updated_at"], source_tz),
        }
    except ValueError as error:
        raise Unmappable(
            f"product {row['id']} cannot be imported: {error}; correct it and import again"
        ) from error


def cents(amount: float) -> int:
    """The amount in cents. Raises ValueError when it has more decimals: rounding would be a guess."""
    exact = Decimal(repr(amount)) * 100
    if not exact.is_finite():
        raise ValueError(f"its price {amount!r} is no amount")
    if exact != exact.to_integral_value():
        raise ValueError(f"its price {amount!r} is no whole number of cents")
    return int(exact)


def instant(local: datetime, source_tz: tzinfo) -> datetime:
    """The UTC instant of a naive local time, to the second; of an hour that occurs twice, the first."""
    return local.replace(tzinfo=source_tz, microsecond=0).astimezone(UTC)


def attributes(text: str) -> list[dict[str, Any]]:
    """The attributes in their order. Raises ValueError when they are not a list of objects."""
    found = json.loads(text)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise ValueError("its attributes are no list of objects")
    return found
