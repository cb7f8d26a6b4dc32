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
    sa.column("description", sa.Text),
    sa.column("price", sa.Float),  # an amount with two decimals
    sa.column("currency", sa.Text),
    sa.column("attributes", sa.Text),  # JSON
    sa.column("tags", sa.Text),  # separated by commas
    sa.column("updated_at", sa.DateTime),  # local time, of which zone nobody wrote down
)

_stock = sa.table(
    "stock",
    sa.column("product_id", sa.Integer),
    sa.column("quantity", sa.Integer),
    sa.column("restock_note", sa.Text),
)

all_categories = sa.select(categories).order_by(categories.c.id)

count_products = sa.select(sa.func.count()).select_from(_products)

# By key, not by offset: a page costs the same wherever it lies.
next_products = (
    sa.select(_products, _stock.c.quantity, _stock.c.restock_note)
    .outerjoin_from(_products, _stock, _stock.c.product_id == _products.c.id)
    .where(_products.c.id > sa.bindparam("after"))
    .order_by(_products.c.id)
    .limit(sa.bindparam("chunk"))
)
