"""Tells the facade in front whose session cookie it was sent; to everybody else there is no such page."""

import hmac

from flask import Blueprint, abort, current_app, jsonify, request
from flask import session as cookie

from .security import current_customer

blueprint = Blueprint("identity", __name__)


@blueprint.route("/internal/whoami")
def whoami():
    secret = current_app.config["WHOAMI_SECRET"].encode()
    shown = request.headers.get("X-Strangler-Secret", "").encode("utf-8", "replace")
    if not secret or not hmac.compare_digest(shown, secret):
        abort(404)
    customer = current_customer()
    answer = jsonify(
        sub=str(customer.id) if customer else None,
        roles=["admin"] if customer and customer.is_admin else [],
        csrf=cookie.get("csrf"),
        cart=cookie.get("cart_id"),
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer
