"""Behind the counter. Every page here writes in the way its author was used to."""

import json
import re
from datetime import datetime

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from sqlalchemy import Float, Numeric, cast, func, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from . import cache
from .db import engine_name, now, session
from .media import keep_picture
from .models import Category, Coupon, Order, Product, Stock
from .security import admin_required
from .slugs import slugify
from .storefront import whole

blueprint = Blueprint("admin", __name__, url_prefix="/admin")

STATES = ("new", "paid", "shipped", "cancelled")
PER_PAGE = 50
PERCENT = re.compile("-?(50|[1-4]?[0-9])", re.ASCII)


def page_of(query):
    page = max(1, whole(request.args.get("page", "1")))
    return query.offset((page - 1) * PER_PAGE).limit(PER_PAGE).all()


def price_of(text):
    """A price in euro, or None; a comma is a point."""
    try:
        price = float(text.replace(",", "."))
    except ValueError:
        return None
    return round(price, 2) if 0.01 <= price < 1_000_000 else None


def product_or_404(product_id):
    return (session.get(Product, product_id) if product_id < 2**31 else None) or abort(404)


@blueprint.route("/")
@admin_required
def overview():
    # Three times everything, only to count it.
    counts = {model.__tablename__: len(session.query(model.id).all()) for model in (Product, Order, Category)}
    return render_template("admin/overview.html", counts=counts)


@blueprint.route("/products")
@admin_required
def products():
    return render_template(
        "admin/products.html", products=page_of(session.query(Product).order_by(Product.id))
    )


@blueprint.route("/products/new")
@admin_required
def new_product():
    return render_template("admin/product.html", product=None, categories=session.query(Category).all())


@blueprint.route("/products/new", methods=["POST"])
@admin_required
def create_product():
    name, price = request.form.get("name", "").strip()[:180], price_of(request.form.get("price", ""))
    category = session.get(Category, whole(request.form.get("category_id")))
    if not name or price is None or category is None:
        flash("A name, a price and a category, please.", "error")
        return render_template(
            "admin/product.html", product=None, categories=session.query(Category).all()
        ), 400
    product = Product(name=name, search_name=name.lower(), price=price, category=category, currency="EUR")
    product.sku = product.slug = f"new-{now().timestamp()}-{id(product)}"
    product.attributes = json.dumps(
        [{"name": "weight_g", "value": 100}, {"name": "color", "value": "unknown"}]
    )
    product.updated_at = now()
    product.stock = Stock(quantity=0, restock_note="on request", updated_at=now())
    session.add(product)
    session.flush()
    product.sku, product.slug = f"SKU-{product.id:06d}", f"{slugify(name)}-{product.id}"
    session.commit()
    flash("The product is in the shop.", "info")
    return redirect(url_for("admin.edit_product", product_id=product.id))


@blueprint.route("/products/<int:product_id>")
@admin_required
def edit_product(product_id):
    return render_template("admin/product.html", product=product_or_404(product_id), categories=[])


@blueprint.route("/products/<int:product_id>", methods=["POST"])
@admin_required
def save_product(product_id):
    """Unit of work: change the object, commit, and the session finds out what to write."""
    product = product_or_404(product_id)
    price = price_of(request.form.get("price", ""))
    if price is None:
        flash("The price must be a number.", "error")
        return render_template("admin/product.html", product=product, categories=[]), 400
    product.price = price
    product.description = request.form.get("description", product.description)[:5000]
    product.updated_at = now()
    session.commit()
    flash("Saved.", "info")
    return redirect(url_for("admin.edit_product", product_id=product.id))


@blueprint.route("/products/<int:product_id>/image", methods=["POST"])
@admin_required
def upload_image(product_id):
    product = product_or_404(product_id)
    upload = request.files.get("image")
    name = keep_picture(product.id, upload) if upload else None
    if name is None:
        flash("A PNG, JPEG or GIF, please.", "error")
        return render_template("admin/product.html", product=product, categories=[]), 400
    product.image = name
    session.commit()
    flash("The picture is in the shop.", "info")
    return redirect(url_for("admin.edit_product", product_id=product.id))


@blueprint.route("/prices", methods=["POST"])
@admin_required
def raise_prices():
    """Bulk update: one statement, and no object ever hears of it."""
    percent = request.form.get("percent", "")
    category = session.get(Category, whole(request.form.get("category_id")))
    if category is None or not PERCENT.fullmatch(percent):
        abort(400, "A category, and a whole number of percent from -50 to 50.")
    raised = cast(func.round(cast(Product.price * (1 + int(percent) / 100), Numeric(12, 4)), 2), Float)
    products = session.query(Product).filter(Product.category_id == category.id)
    changed = products.update({"price": raised, "updated_at": now()}, synchronize_session=False)
    session.commit()
    flash(f"{changed} prices changed.", "info")
    return redirect(url_for("admin.products"))


@blueprint.route("/stock")
@admin_required
def stock():
    return render_template(
        "admin/stock.html", shelves=page_of(session.query(Stock).order_by(Stock.product_id))
    )


@blueprint.route("/stock", methods=["POST"])
@admin_required
def count_stock():
    """Core upsert: what the stock-taking app knew how to do."""
    product = product_or_404(whole(request.form.get("product_id")))
    given = request.form.get("quantity", "")
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        abort(400, "The quantity must be a whole number from 0.")
    new = {"quantity": int(given), "restock_note": None if int(given) else "on request", "updated_at": now()}
    insert = (postgresql if engine_name() == "postgresql" else sqlite).insert(Stock.__table__)
    insert = insert.values(product_id=product.id, **new)
    session.execute(insert.on_conflict_do_update(index_elements=["product_id"], set_=new))
    session.commit()
    flash("Counted.", "info")
    return redirect(url_for("admin.stock"))


@blueprint.route("/orders")
@admin_required
def orders():
    found = page_of(session.query(Order).order_by(Order.id.desc()))
    return render_template("admin/orders.html", orders=found, states=STATES)


@blueprint.route("/orders/<int:order_id>/status", methods=["POST"])
@admin_required
def change_status(order_id):
    """Raw SQL: it was urgent."""
    status = request.form.get("status")
    if status not in STATES:
        abort(400, f"The status must be one of {', '.join(STATES)}.")
    changed = session.execute(
        text("UPDATE orders SET status = :status WHERE id = :id"),
        {"status": status, "id": min(order_id, 2**31 - 1)},
    )
    if changed.rowcount == 0:
        abort(404)
    session.commit()
    flash(f"Order {order_id} is {status}.", "info")
    return redirect(url_for("admin.orders"))


@blueprint.route("/coupons")
@admin_required
def coupons():
    return render_template("admin/coupons.html", coupons=session.query(Coupon).order_by(Coupon.code).all())


@blueprint.route("/coupons", methods=["POST"])
@admin_required
def create_coupon():
    code, percent = request.form.get("code", "").strip().upper(), whole(request.form.get("percent"))
    if not code.isalnum() or len(code) > 40 or not 1 <= percent <= 90:
        abort(400, "A code of letters and digits, and 1 to 90 percent.")
    day = request.form.get("expires_at") or None
    try:
        expires = datetime.strptime(day, "%Y-%m-%d") if day else None
    except ValueError:
        abort(400, "The day must look like 2026-12-31.")
    session.add(Coupon(code=code, percent=percent, used=0, active=True, expires_at=expires))
    try:
        session.commit()
    except IntegrityError:
        session.rollback()
        abort(409, "This code exists.")
    return redirect(url_for("admin.coupons"))


@blueprint.route("/coupons/<code>/delete", methods=["POST"])
@admin_required
def delete_coupon(code):
    if session.query(Coupon).filter(Coupon.code == code).delete() == 0:
        abort(404)
    session.commit()
    return redirect(url_for("admin.coupons"))


@blueprint.route("/cache/clear", methods=["POST"])
@admin_required
def clear_cache():
    """For the day the menu was wrong. Clears the cache of the process that happens to answer."""
    cache.forget("categories")
    cache.forget("best sellers")
    flash("The cache is empty.", "info")
    return redirect(url_for("admin.overview"))
