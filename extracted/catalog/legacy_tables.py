"""The monolith's tables as far as the catalog's data lies in them: the one place that knows their names."""

from __future__ import annotations

import sqlalchemy as sa

categories = sa.table(
    "categories",
    sa.column("id", sa.Integer),
    sa.column("slug", sa.Text),
    sa.column("name", sa.Text),
)

_products = sa.table(
    "products",
    sa.column("id", sa.Integer),
    sa.column("category_id", sa.Integer),
    sa.column("sku", sa.Text),
    sa.column("slug", sa.Text),
    sa.column("name", sa.Text),
    sa.column("search_name", sa.Text),  # the name in lower case
    sa.column("description", sa.Text),
    sa.column("price", sa.Float),  # an amount with two decimals
    sa.column("currency", sa.Text),
    sa.column("attributes", sa.Text),  # JSON
    sa.column("tags", sa.Text),  # separated by commas
    sa.column("updated_at", sa.DateTime),  # local time, of which zone nobody wrote down
)

all_categories = sa.select(categories).order_by(categories.c.id)

count_products = sa.select(sa.func.count()).select_from(_products)

# By key, not by offset: a page costs the same wherever it lies.
next_products = (
    sa.select(_products)
    .where(_products.c.id > sa.bindparam("after"))
    .order_by(_products.c.id)
    .limit(sa.bindparam("chunk"))
)
