"""Login, cart and orders as JSON, for the telephone app. No form, so no form token: nobody thought of one."""

from functools import wraps

from flask import Blueprint, current_app, jsonify, request
from flask import session as cookie
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from .carts import add_to_cart, change_quantity, current_cart, prices, use_coupon
from .db import session
from .errors import answer
from .models import Order
from .orders import place_items, place_order
from .security import current_customer, log_in
from .shipping import zone_of_client

blueprint = Blueprint("cart_api", __name__)

MOST_ITEMS = 50
WHAT_TO_SEND = "send items as a list of {product_id, quantity}, both whole numbers, each product once"


def body():
    try:
        given = request.get_json(silent=True)
    except RecursionError:  # brackets in brackets in brackets
        given = None
    return given if isinstance(given, dict) else {}


def text_of(name):
    value = body().get(name)
    return value if isinstance(value, str) else ""


def number_of(name, default=None):
    value = body().get(name, default)
    return value if type(value) is int else None


def customer_required(view):
    @wraps(view)
    def guarded(*args, **kwargs):
        if current_customer() is None:
            return answer(401, "log in first: POST /api/login")
        return view(*args, **kwargs)

    return guarded


def order_json(order):
    # Not mentioned where there is none: older versions of the app refuse names they do not know.
    known_as = {"client_reference": order.client_reference} if order.client_reference else {}
    return known_as | {
        "id": order.id,
        "status": order.status,
        "total": order.total,
        "discount": order.discount,
        "shipping": order.shipping,
        "placed_at": order.placed_at.isoformat(),
        "lines": [
            {
                "product_id": line.product_id,
                "name": line.product.name,
                "quantity": line.quantity,
                "unit_price": line.unit_price,
            }
            for line in order.lines
        ],
    }


def cart_json():
    cart = current_cart()
    subtotal, discount, shipping, total = prices(cart, zone_of_client()[1])
    items = [
        {
            "id": item.id,
            "product_id": item.product_id,
            "name": item.product.name,
            "quantity": item.quantity,
            "price": item.product.price,
        }
        for item in (cart.items if cart else ())
    ]
    coupon = cart.coupon_code if cart else None
    return jsonify(
        items=items, coupon=coupon, subtotal=subtotal, discount=discount, shipping=shipping, total=total
    )


@blueprint.route("/api/login", methods=["POST"])
def login():
    customer = log_in(text_of("email"), text_of("password"))
    if customer is None:
        return answer(401, "wrong email or password")
    return jsonify(id=customer.id, email=customer.email, name=customer.name)


@blueprint.route("/api/logout", methods=["POST"])
@customer_required
def logout():
    cookie.clear()
    return "", 204


@blueprint.route("/api/me")
@customer_required
def me():
    customer = current_customer()
    return jsonify(id=customer.id, email=customer.email, name=customer.name, orders=len(customer.orders))


@blueprint.route("/api/cart")
def show_cart():
    return cart_json()


@blueprint.route("/api/cart/items", methods=["POST"])
def add_item():
    product_id, quantity = number_of("product_id"), number_of("quantity", 1)
    if product_id is None or quantity is None:
        return answer(400, "send {product_id, quantity}, both whole numbers")
    try:
        add_to_cart(product_id, quantity)
    except ValueError as error:
        return answer(409, str(error))
    return cart_json(), 201


@blueprint.route("/api/cart/items/<int:item_id>", methods=["DELETE"])
def remove_item(item_id):
    if not change_quantity(current_cart(), item_id, 0):
        return answer(404, "no such item in your cart")
    return cart_json()


@blueprint.route("/api/coupons/apply", methods=["POST"])
def apply_coupon():
    if use_coupon(text_of("code")) is None:
        return answer(409, "this coupon is not valid")
    return cart_json()


def wanted_items():
    """{product id: quantity} of a quick order, or None when it is anything else."""
    items = body()["items"]
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_ITEMS:
        return None
    wanted = {}
    for item in items:
        pair = (item.get("product_id"), item.get("quantity")) if isinstance(item, dict) else (None, None)
        if type(pair[0]) is not int or type(pair[1]) is not int or pair[0] in wanted:
            return None
        wanted[pair[0]] = pair[1]
    return wanted


@blueprint.route("/api/orders", methods=["POST"])
@customer_required
def create_order():
    method, reference = text_of("method") or "card", text_of("client_reference")[:80] or None
    try:
        if "items" not in body():
            order = place_order(current_customer(), current_cart(), method, reference)
        elif (wanted := wanted_items()) is None:
            return answer(400, WHAT_TO_SEND)
        else:
            order = place_items(current_customer(), wanted, method, reference)
    except ValueError as error:
        return answer(409, str(error))
    except IntegrityError as error:
        if reference is None or "client_reference" not in str(error.orig):
            raise
        session.rollback()
        return answer(409, "There is an order with this reference already.")
    response = jsonify(order_json(order))
    response.headers["Location"] = f"/api/orders/{order.id}"
    return response, 201


@blueprint.route("/api/orders")
@customer_required
def list_orders():
    return jsonify(items=[order_json(order) for order in current_customer().orders[:50]])


@blueprint.route("/api/orders/<int:order_id>")
@customer_required
def show_order(order_id):
    order = session.get(Order, order_id) if order_id < 2**31 else None
    if order is None or order.customer_id != current_customer().id:
        return answer(404, "no such order")
    return jsonify(order_json(order))


@blueprint.route("/api/whereami")
def whereami():
    zone, price = zone_of_client()
    return jsonify(address=request.remote_addr, scheme=request.scheme, zone=zone, shipping=price)


@blueprint.route("/healthz")
def healthz():
    session.execute(text("SELECT 1"))
    return jsonify(status="ok", build=current_app.config["BUILD"])
