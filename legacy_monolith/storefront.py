"""The pages that everybody sees: shelves, products, search, cart and checkout."""

import json

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from sqlalchemy import func

from .cache import cached
from .carts import add_to_cart, cart_to_fill, change_quantity, current_cart, prices, use_coupon
from .catalog_api import all_categories, find_products, number_argument
from .db import session
from .models import Category, OrderLine, Product
from .orders import METHODS, place_order
from .security import csrf_token, current_customer, login_required
from .shipping import zone_of_client

blueprint = Blueprint("shop", __name__)

PER_PAGE = 24


def eur(amount):
    return f"{amount:.2f} €"


def for_every_page():
    """What the layout needs, on every page."""
    return {
        "menu": cached("categories", 60, all_categories),
        "customer": current_customer(),
        "csrf_token": csrf_token,
        "methods": METHODS,
    }


def whole(text):
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 0


@blueprint.route("/")
def home():
    ids = cached("best sellers", 300, best_sellers)
    products = [product for number in ids if (product := session.get(Product, number))]
    return render_template("home.html", products=products)


def best_sellers():
    sold = session.query(OrderLine.product_id).group_by(OrderLine.product_id)
    return [
        row[0] for row in sold.order_by(func.sum(OrderLine.quantity).desc(), OrderLine.product_id).limit(12)
    ]


@blueprint.route("/c/<slug>")
def category(slug):
    found = session.query(Category).filter(Category.slug == slug).first() or abort(404)
    page = number_argument("page", 1, 100_000) or abort(400, "page must be a whole number from 1.")
    # All products of the category are loaded; the page is cut out in Python.
    products = found.products[(page - 1) * PER_PAGE : page * PER_PAGE]
    last = max(1, -(-len(found.products) // PER_PAGE))
    response = Response(
        render_template("category.html", category=found, products=products, page=page, last=last)
    )
    response.add_etag(weak=True)
    return response.make_conditional(request)


@blueprint.route("/p/<slug>")
def product(slug):
    found = session.query(Product).filter(Product.slug == slug).first() or abort(404)
    return render_template("product.html", product=found, attributes=json.loads(found.attributes))


@blueprint.route("/product.php")
def old_product():
    """The address of the shop before this one; half the links out there still use it."""
    found = session.get(Product, whole(request.args.get("id"))) or abort(404)
    return redirect(url_for("shop.product", slug=found.slug), 301)


@blueprint.route("/search")
def search():
    words = request.args.get("q", "").strip()
    if not words:
        flash("What are you looking for?", "error")
        return render_template("search.html", words="", products=[]), 400
    return render_template("search.html", words=words, products=find_products(words).limit(PER_PAGE).all())


@blueprint.route("/sitemap.xml")
def sitemap():
    products = session.query(Product.slug).order_by(Product.id).limit(5000)
    return Response(render_template("sitemap.xml", products=products), content_type="application/xml")


@blueprint.route("/cart")
def cart():
    return cart_page()


def cart_page(status=200):
    found = current_cart()
    zone, shipping = zone_of_client()
    sums = dict(zip(("subtotal", "discount", "shipping", "total"), prices(found, shipping), strict=True))
    return render_template("cart.html", cart=found, zone=zone, **sums), status


@blueprint.route("/cart/add", methods=["POST"])
def cart_add():
    try:
        add_to_cart(whole(request.form.get("product_id")), whole(request.form.get("quantity", "1")))
    except ValueError as error:
        flash(str(error), "error")
        return cart_page(409)
    flash("It is in your cart.", "info")
    return redirect(url_for("shop.cart"))


@blueprint.route("/cart/update", methods=["POST"])
def cart_update():
    if not change_quantity(
        current_cart(), whole(request.form.get("item_id")), whole(request.form.get("quantity"))
    ):
        abort(404)
    return redirect(url_for("shop.cart"))


@blueprint.route("/cart/coupon", methods=["POST"])
def cart_coupon():
    coupon = use_coupon(request.form.get("code", "")[:40])
    if coupon is None:
        flash("This coupon is not valid.", "error")
        return cart_page(409)
    flash(f"{coupon.percent} % off.", "info")
    return redirect(url_for("shop.cart"))


@blueprint.route("/checkout")
@login_required
def checkout():
    found = current_cart()
    if found is None or not found.items:
        flash("Your cart is empty.", "error")
        return redirect(url_for("shop.cart"))
    return render_template("checkout.html", cart=found, total=prices(found, zone_of_client()[1])[3])


@blueprint.route("/checkout", methods=["POST"])
@login_required
def do_checkout():
    try:
        order = place_order(current_customer(), cart_to_fill(), request.form.get("method", ""))
    except ValueError as error:
        flash(str(error), "error")
        return cart_page(409)
    flash("Thank you for your order.", "info")
    return redirect(url_for("account.order", order_id=order.id))
