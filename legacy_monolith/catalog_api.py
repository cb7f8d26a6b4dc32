"""The catalogue as JSON."""

import json
import re

from flask import Blueprint, jsonify, request

from .cache import cached
from .db import engine_name, session
from .models import Category, Product, Stock

blueprint = Blueprint("catalog_api", __name__)

WHOLE_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


def error(status, kind, message):
    return jsonify(error=kind, message=message), status


def summary(product):
    return {
        "id": product.id,
        "sku": product.sku,
        "slug": product.slug,
        "name": product.name,
        "price": product.price,
        "currency": product.currency,
        "in_stock": product.stock.quantity > 0,
        "updated_at": product.updated_at.isoformat(),
    }


def details(product):
    return dict(
        summary(product),
        description=product.description,
        restock_note=product.stock.restock_note,
        category={"id": product.category.id, "slug": product.category.slug, "name": product.category.name},
        attributes=json.loads(product.attributes),
        tags=[tag for tag in product.tags.split(",") if tag],
    )


def number_argument(name, default, most):
    """The query's number from 1 to `most`, or None when it is anything else."""
    given = request.args.get(name, str(default))
    if not WHOLE_NUMBER.fullmatch(given) or not 1 <= int(given) <= most:
        return None
    return int(given)


def by_name():
    # PostgreSQL sorts by the rules of a language unless told otherwise; SQLite sorts by code point.
    return Product.name.collate("C") if engine_name() == "postgresql" else Product.name


@blueprint.route("/api/products/<int:product_id>")
def show_product(product_id):
    product = session.get(Product, product_id) if product_id < 2**31 else None
    if product is None:
        return error(404, "not_found", "no such product")
    return jsonify(details(product))


@blueprint.route("/api/products")
def list_products():
    page = number_argument("page", 1, 1_000_000)
    per_page = number_argument("per_page", 20, 100)
    order = {"id": Product.id, "name": by_name(), "price": Product.price}.get(request.args.get("sort", "id"))
    if page is None:
        return error(400, "bad_request", "page must be a whole number from 1")
    if per_page is None:
        return error(400, "bad_request", "per_page must be a whole number from 1 to 100")
    if order is None:
        return error(400, "bad_request", "sort must be id, name or price")
    query = session.query(Product)
    if "category" in request.args:
        query = query.join(Product.category).filter(Category.slug == request.args["category"])
    total = query.count()
    products = query.order_by(order, Product.id).offset((page - 1) * per_page).limit(per_page).all()
    return jsonify(page=page, per_page=per_page, total=total, items=[summary(p) for p in products])


@blueprint.route("/api/categories")
def list_categories():
    return jsonify(items=cached("categories", 60, all_categories))


def all_categories():
    return [
        {"id": c.id, "slug": c.slug, "name": c.name, "product_count": len(c.products)}
        for c in session.query(Category).order_by(Category.id)
    ]


@blueprint.route("/api/categories/<slug>")
def show_category(slug):
    category = session.query(Category).filter(Category.slug == slug).first()
    if category is None:
        return error(404, "not_found", "no such category")
    products = session.query(Product).filter(Product.category_id == category.id).order_by(Product.id)
    count = products.count()
    return jsonify(
        id=category.id,
        slug=category.slug,
        name=category.name,
        product_count=count,
        products=[summary(product) for product in products.limit(10)],
    )


@blueprint.route("/api/search")
def search():
    wanted = request.args.get("q", "").strip()
    limit = number_argument("limit", 10, 100)
    if not wanted:
        return error(400, "bad_request", "q must not be empty")
    if limit is None:
        return error(400, "bad_request", "limit must be a whole number from 1 to 100")
    found = find_products(wanted)
    return jsonify(query=wanted, total=found.count(), items=[summary(p) for p in found.limit(limit)])


def find_products(words):
    """Products whose name contains `words`, in upper or lower case."""
    return (
        session.query(Product)
        .join(Stock)
        .filter(Product.search_name.contains(words.lower(), autoescape=True))
        .order_by(Product.id)
    )


@blueprint.after_request
def say_how_long_to_keep(response):
    response.headers["Cache-Control"] = "max-age=0"
    return response
