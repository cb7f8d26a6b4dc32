"""What other programs of the house ask: what is in stock, where a customer lives, and "we took an order"."""

import hmac
import re
from functools import wraps

from flask import Blueprint, abort, current_app, flash, jsonify, request
from sqlalchemy import text
from sqlalchemy.dialects import postgresql, sqlite

from .db import engine_name, now, session
from .errors import answer
from .models import Address, Cart, CartItem, EmailLog, PlacedElsewhere, Stock

blueprint = Blueprint("neighbours", __name__)

MOST = 100
IDS = re.compile(rf"[0-9]{{1,9}}(,[0-9]{{1,9}}){{0,{MOST - 1}}}", re.ASCII)


@blueprint.route("/api/stock")
def show_stock():
    given = request.args.get("ids", "")
    if not IDS.fullmatch(given):
        return answer(400, f"ids must be 1 to {MOST} whole numbers, separated by commas")
    wanted = {int(number) for number in given.split(",")}
    found = session.query(Stock).filter(Stock.product_id.in_(wanted)).order_by(Stock.product_id)
    return jsonify(
        items=[
            {
                "product_id": shelf.product_id,
                "quantity": shelf.quantity,
                "restock_note": shelf.restock_note,
            }
            for shelf in found
        ]
    )


def neighbours_only(view):
    """To everybody who does not know the secret the page does not exist."""

    @wraps(view)
    def guarded(*args, **kwargs):
        secret = current_app.config["NEIGHBOURS_SECRET"].encode()
        shown = request.headers.get("X-Internal-Secret", "").encode("utf-8", "replace")
        if not secret or not hmac.compare_digest(shown, secret):
            abort(404)
        return view(*args, **kwargs)

    return guarded


@blueprint.route("/internal/customers/<int:customer_id>")
@neighbours_only
def show_customer(customer_id):
    """Where an order of this customer goes: the first address, as at checkout."""
    first = (
        session.query(Address.id)
        .filter(Address.customer_id == min(customer_id, 2**31 - 1))
        .order_by(Address.id)
    ).first()
    return jsonify(id=customer_id, address_id=first[0] if first else None)


@blueprint.route("/internal/orders/placed", methods=["POST"])
@neighbours_only
def orders_placed():
    """Somebody else took these orders: empty carts, count coupons, log the mail; once for each order."""
    given = request.get_json()
    news = {number: order for order in given["orders"] if (number := order["order_id"])}
    # Those that are noted already come again when their first answer was lost.
    insert = (postgresql if engine_name() == "postgresql" else sqlite).insert(PlacedElsewhere.__table__)
    rows = [{"order_id": number} for number in sorted(news)]
    noted = insert.values(rows).on_conflict_do_nothing().returning(PlacedElsewhere.order_id) if rows else None
    first = session.execute(noted).scalars().all() if rows else []
    for number in first:
        take_note(news[number])
    if first:
        session.execute(EmailLog.__table__.insert(), [mail(news[number]) for number in first])
    session.commit()
    if given.get("say"):
        flash(given["say"], "info")
    return jsonify(done=len(first))


def mail(order):
    return {
        "customer_id": order["customer_id"],
        "template": "order",
        "subject": f"Your order {order['order_id']}",
        "sent_at": now(),
    }


def take_note(order):
    """Count the coupon, and take out of the cart what was ordered."""
    if order["coupon"]:
        session.execute(
            text("UPDATE coupons SET used = used + 1 WHERE code = :code"), {"code": order["coupon"]}
        )
    ordered = dict(order["items"])
    if not ordered:
        return
    cart = session.get(Cart, order["cart_id"]) if order["cart_id"] else None
    if cart is None:
        item = session.get(CartItem, min(ordered))
        cart = item.cart if item else None
    if cart is not None:
        take_out(cart, ordered)


def take_out(cart, ordered):
    """Take out what was ordered, and nothing that was put in since."""
    for item in list(cart.items):
        item.quantity -= ordered.get(item.id, 0)
        if item.quantity <= 0:
            cart.items.remove(item)
    cart.coupon_code = None
