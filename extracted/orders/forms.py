"""The routes of browsers: checkout, and what is done behind the counter. A form needs its session's token."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, cast

from flask import Blueprint, Response, abort, redirect, request

from extracted.orders import answers
from extracted.orders.api import cart_id, once, tell
from extracted.orders.errors import OrdersError, Refused
from extracted.orders.place import Answer
from extracted.orders.rows import Wanted
from extracted.orders.store import LARGEST_ID
from extracted.orders.web import answer, caller, customer, house, identity

blueprint = Blueprint("forms", __name__)

P = ParamSpec("P")
STATES = ("new", "paid", "shipped", "cancelled")
THANKS = "Thank you for your order."
HTML = "text/html; charset=utf-8"


def guarded(admin: bool) -> Callable[[Callable[P, Response]], Callable[P, Response]]:
    """First the form's token, then the login, then whether it is an administrator's: as in the monolith."""

    def around(view: Callable[P, Response]) -> Callable[P, Response]:
        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> Response:
            who = identity()
            if customer() is not None and not who.may_send_form(
                request.method, request.path, request.form.get("csrf_token", "")
            ):
                abort(400, "The form has expired. Go back, reload the page and try again.")
            if customer() is None:
                return redirected(f"/login?next={request.path}")
            if admin and "admin" not in who.roles:
                abort(403)
            return view(*args, **kwargs)

        return checked

    return around


def redirected(where: str, cookies: list[str] | None = None) -> Response:
    """A redirect, with what the monolith wants the browser to keep."""
    response = cast(Response, redirect(where, Response=Response))
    for cookie in cookies or []:
        response.headers.add("Set-Cookie", cookie)
    return response


def say(message: str) -> list[str]:
    """Let the monolith's next page say it; when it cannot be asked, nothing is said."""
    try:
        return house().shop.tell([], message, caller())
    except OrdersError:
        return []


def whole(text: str | None) -> int:
    """A whole number as the monolith's forms read it; 0 for anything else."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 0


@blueprint.get("/checkout")
def checkout() -> Response:
    """The page is the monolith's, whose cart and menu it shows; only the form's other half is here."""
    reply = house().shop.page("/checkout", caller())
    response = Response(reply.body, reply.status)
    del response.headers["Content-Type"]
    for name, value in reply.headers:
        if name.lower() in ("content-type", "location", "set-cookie", "vary", "cache-control"):
            response.headers.add(name, value)
    return response


@blueprint.post("/checkout")
@guarded(admin=False)
def do_checkout() -> Response:
    """Place an order of the cart."""
    number = cast(int, customer())
    counter, sent, method = house().counter, caller(), request.form.get("method", "")

    def place() -> Wanted:
        return counter.from_cart(number, cart_id(), method, None, sent)

    try:
        said, wanted, placed = counter.answer(
            once(number), place, lambda made: Answer(302, f"/account/orders/{made.order['legacy_id']}", "")
        )
    except Refused as error:
        return cart_page(str(error))
    if wanted is None or placed is None:
        return redirected(said.location)
    return redirected(said.location, tell(wanted, placed, THANKS))


def cart_page(message: str) -> Response:
    """The monolith's cart with the reason why it was not ordered."""
    try:
        reply = house().shop.page("/cart", caller())
    except OrdersError:
        return answer(409, message)
    html = answers.with_message(reply.body.decode("utf-8", "replace"), message)
    response = Response(html, 409, content_type=HTML)
    for cookie in reply.all("Set-Cookie"):
        response.headers.add("Set-Cookie", cookie)
    return response


@blueprint.post("/admin/orders/<int:order_id>/status")
@guarded(admin=True)
def change_status(order_id: int) -> Response:
    """Any status may follow any other, as ever."""
    status = request.form.get("status")
    if status not in STATES:
        abort(400, f"The status must be one of {', '.join(STATES)}.")
    if not house().store.set_status(order_id, status):
        abort(404)
    return redirected("/admin/orders", say(f"Order {order_id} is {status}."))


@blueprint.post("/admin/stock")
@guarded(admin=True)
def count_stock() -> Response:
    """So many there are."""
    product, given = whole(request.form.get("product_id")), request.form.get("quantity", "")
    if not 0 < product <= LARGEST_ID or house().shop.product(product) is None:
        abort(404)
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        abort(400, "The quantity must be a whole number from 0.")
    house().store.count(product, int(given))
    return redirected("/admin/stock", say("Counted."))
