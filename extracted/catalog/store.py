"""The catalog's questions to its database: one method, one question."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from extracted.catalog.answers import Row
from extracted.catalog.errors import NotFound
from extracted.catalog.schema import categories, products

# PostgreSQL's `integer`: an id beyond it names nothing, and must not reach a driver that overflows on it.
LARGEST_ID = 2**31 - 1

SORTS = {
    "id": (products.c.legacy_id,),
    "name": (products.c.name, products.c.legacy_id),
    "price": (products.c.price_cents, products.c.legacy_id),
}

_summary = (
    products.c.legacy_id,
    products.c.sku,
    products.c.slug,
    products.c.name,
    products.c.price_cents,
    products.c.price_exact,
    products.c.currency,
    products.c.updated_at,
)

_one_product = (
    sa.select(
        *_summary,
        products.c.description,
        products.c.attributes,
        products.c.tags,
        categories.c.legacy_id.label("category_legacy_id"),
        categories.c.slug.label("category_slug"),
        categories.c.name.label("category_name"),
    )
    .join(categories)
    .where(products.c.legacy_id == sa.bindparam("legacy_id"))
)

_counted_categories = (
    sa.select(
        categories.c.id,
        categories.c.legacy_id,
        categories.c.slug,
        categories.c.name,
        sa.func.count(products.c.id).label("product_count"),
    )
    .outerjoin(products)
    .group_by(categories.c.id)
    .order_by(categories.c.legacy_id)
)

Found = tuple[int, Sequence[Row]]  # how many there are, and the rows asked for


class Store:
    """Reads of the catalog's database through `engine`; raises NotFound, and SQLAlchemy's own errors."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def product(self, legacy_id: int) -> Row:
        """One product with its category."""
        rows = self._rows(_one_product, {"legacy_id": legacy_id}) if legacy_id <= LARGEST_ID else []
        if not rows:
            raise NotFound("no such product")
        return rows[0]

    def page(self, page: int, per_page: int, sort: str, category: str | None) -> Found:
        """The products of one page, counted from 1."""
        chosen = sa.true() if category is None else categories.c.slug == category
        found = sa.select(*_summary).join(categories).where(chosen).order_by(*SORTS[sort])
        return self._found(found, offset=(page - 1) * per_page, limit=per_page)

    def search(self, text: str, limit: int) -> Found:
        """The products whose name contains `text`, whatever the case."""
        matches = products.c.name_folded.contains(text.lower(), autoescape=True)
        return self._found(sa.select(*_summary).where(matches).order_by(*SORTS["id"]), offset=0, limit=limit)

    def categories(self) -> Sequence[Row]:
        """All categories with their counts."""
        return self._rows(_counted_categories)

    def category(self, slug: str, first: int = 10) -> tuple[Row, Sequence[Row]]:
        """One category with its `first` products by id."""
        rows = self._rows(_counted_categories.where(categories.c.slug == slug))
        if not rows:
            raise NotFound("no such category")
        inside = sa.select(*_summary).where(products.c.category_id == rows[0]["id"])
        return rows[0], self._rows(inside.order_by(*SORTS["id"]).limit(first))

    def ready(self) -> int:
        """The number of products: the database answers, and holds what is served."""
        return self._count(sa.select(products.c.id))

    def _rows(
        self, statement: sa.Select[tuple[object, ...]], values: dict[str, int] | None = None
    ) -> Sequence[Row]:
        with self._engine.connect() as connection:
            return connection.execute(statement, values or {}).mappings().all()

    def _count(self, statement: sa.Select[tuple[object, ...]]) -> int:
        counted = sa.select(sa.func.count()).select_from(statement.order_by(None).subquery())
        with self._engine.connect() as connection:
            return connection.execute(counted).scalar_one()

    def _found(self, statement: sa.Select[tuple[object, ...]], offset: int, limit: int) -> Found:
        total = self._count(statement)
        # Beyond the last row there is nothing to ask for, and an offset could be too big for the driver.
        return total, self._rows(statement.offset(offset).limit(limit)) if offset < total else []
