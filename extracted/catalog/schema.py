"""The catalog's own tables: UUIDv5 ids, integer cents, UTC instants, JSON attributes.

`legacy_id` is the monolith's integer id: the API answers it for as long as callers know products by it.
`…_exact`, `…_text` and `…_local` keep what the monolith spelled in its own way (a price with a third decimal,
JSON with other blanks, a local time that the clocks skipped) for the way back; mostly they are empty.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

# Ids are computed, not drawn, so that importing twice gives the same rows (RFC 9562 §5.5).
NAMESPACE = uuid.UUID("6f0d6f0c-59c3-5a43-9c35-0e1a5f6b7f11")

metadata = sa.MetaData()


def stable_id(kind: str, legacy_id: int) -> uuid.UUID:
    """The UUIDv5 of the monolith's row `legacy_id` of `kind` ("product" or "category")."""
    return uuid.uuid5(NAMESPACE, f"{kind}:{legacy_id}")


class _TimestampTz(sa.types.UserDefinedType[Any]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "TIMESTAMPTZ"


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware datetime in UTC; in SQLite a text in ISO 8601, declared so that a reader knows what it is."""

    impl = _TimestampTz
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        """Refuse a naive time: nobody could tell which instant it means."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        moment = value.astimezone(UTC)
        return moment.isoformat(" ", "microseconds") if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        """In UTC, whatever zone the database's session has."""
        if value is None:
            return None
        moment: datetime = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


# "name" sorts by code point on every database: SQLite does so by itself, PostgreSQL when told.
_sorted_text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_json = sa.JSON().with_variant(JSONB(), "postgresql")

categories = sa.Table(
    "categories",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("legacy_id", sa.Integer, nullable=False, unique=True),
    sa.Column("slug", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
)

products = sa.Table(
    "products",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("legacy_id", sa.Integer, nullable=False, unique=True),
    sa.Column("category_id", sa.ForeignKey("categories.id"), nullable=False),
    sa.Column("legacy_category_id", sa.Integer, nullable=False),  # an id cannot be computed backwards
    sa.Column("sku", sa.Text, nullable=False),
    sa.Column("slug", sa.Text, nullable=False),
    sa.Column("name", _sorted_text, nullable=False),
    sa.Column("name_folded", sa.Text, nullable=False),  # what `search` looks in: SQLite folds ASCII only
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("price_cents", sa.BigInteger, nullable=False),
    sa.Column("price_exact", sa.Double),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("attributes", _json, nullable=False),  # [{"name", "value"}] in the order they are shown
    sa.Column("attributes_text", sa.Text),
    sa.Column("tags", _json, nullable=False),
    sa.Column("tags_text", sa.Text),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("updated_local", sa.DateTime),
    sa.Index("products_by_category", "category_id", "legacy_id"),
    sa.Index("products_by_name", "name", "legacy_id"),
    sa.Index("products_by_price", "price_cents", "legacy_id"),
)

imports = sa.Table(
    "imports",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant, nullable=False),
    sa.Column("products", sa.Integer, nullable=False),
    sa.Column("categories", sa.Integer, nullable=False),
    sa.Column("removed", sa.Integer, nullable=False),
)
