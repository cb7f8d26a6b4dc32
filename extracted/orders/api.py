"""The routes of the telephone app, of the neighbours, and of health."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Response, abort, request

from extracted.orders import answers
from extracted.orders.place import Answer, Once
from extracted.orders.rows import Placed, Row, Wanted
from extracted.orders.web import answer, as_json, caller, customer, house, identity

blueprint = Blueprint("api", __name__)

MOST_ITEMS = 50
MOST_SHELVES = 100
IDS = re.compile(rf"[0-9]{{1,9}}(,[0-9]{{1,9}}){{0,{MOST_SHELVES - 1}}}", re.ASCII)
KEY = re.compile(r"[!-~]{1,255}")
WHAT_TO_SEND = "send items as a list of {product_id, quantity}, both whole numbers, each product once"
LOG_IN = "log in first: POST /api/login"


def body() -> dict[str, Any]:
    """The request's JSON object; empty when it is anything else."""
    try:
        given = request.get_json(silent=True)
    except RecursionError:  # brackets in brackets in brackets
        given = None
    return given if isinstance(given, dict) else {}


def text_of(name: str) -> str:
    """A text of the request's JSON."""
    value = body().get(name)
    return value if isinstance(value, str) else ""


def once(customer_id: int) -> Once | None:
    """The request's Idempotency-Key, if it has one."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not KEY.fullmatch(key):
        abort(400, "Idempotency-Key must be 1 to 255 printable ASCII characters.")
    parts = request.method.encode(), request.full_path.encode("utf-8", "replace"), request.get_data()
    return Once.of(customer_id, key, *parts)


def cart_id() -> int | None:
    """The cart that the caller's session names."""
    cart = identity().cart
    return cart if isinstance(cart, int) else None


def wanted_items() -> dict[int, int] | None:
    """{product: quantity} of a quick order, or None when it is anything else."""
    items = body()["items"]
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_ITEMS:
        return None
    wanted: dict[int, int] = {}
    for item in items:
        product, quantity = (
            (item.get("product_id"), item.get("quantity")) if isinstance(item, dict) else (None, None)
        )
        if type(product) is not int or type(quantity) is not int or product in wanted:
            return None
        wanted[product] = quantity
    return wanted


@blueprint.post("/api/orders")
def create_order() -> Response:
    """Place an order of the cart, or a quick order of `items`."""
    number = customer()
    if number is None:
        return answer(401, LOG_IN)
    method, reference = text_of("method") or "card", text_of("client_reference")[:80] or None
    items = wanted_items() if "items" in body() else {}
    if items is None:
        return answer(400, WHAT_TO_SEND)
    counter, sent = house().counter, caller()

    def place() -> Wanted:
        if items:
            return counter.from_items(number, items, method, reference, sent)
        return counter.from_cart(number, cart_id(), method, reference, sent)

    said, wanted, placed = counter.answer(once(number), place, created)
    if wanted is not None and placed is not None:
        tell(wanted, placed)
    response = Response(said.body, said.status, content_type="application/json")
    response.headers["Location"] = said.location
    if placed is None:
        response.headers["Idempotency-Replayed"] = "true"
    return response


def created(placed: Placed) -> Answer:
    """The answer to an order that was placed."""
    told = answers.order(placed.order, placed.lines, house().settings.zone)
    return Answer(201, f"/api/orders/{told['id']}", answers.json_text(told))


def tell(wanted: Wanted, placed: Placed, say: str = "") -> list[str]:
    """Tell the monolith; at once when there is a cart to empty. The cookies that it sets."""
    if not any(line.item for line in wanted.lines):
        house().calls.wake()
        return []
    note = wanted.note(placed.order["legacy_id"])
    return house().calls.tell_now(note, say, caller() if say else None)


def shown(row: Row) -> dict[str, Any]:
    """An order with its lines, as it is told."""
    shop = house().shop
    lines = [answers.line(line, shop.name(line["product_id"])) for line in house().store.lines(row["id"])]
    return answers.order(row, lines, house().settings.zone)


@blueprint.get("/api/orders")
def list_orders() -> Response:
    """The customer's latest orders."""
    number = customer()
    if number is None:
        return answer(401, LOG_IN)
    return as_json({"items": [shown(row) for row in house().store.newest(number)]})


@blueprint.get("/api/orders/<int:order_id>")
def show_order(order_id: int) -> Response:
    """One order of the customer's."""
    number = customer()
    if number is None:
        return answer(401, LOG_IN)
    found = house().store.order(order_id, number)
    return answer(404, "no such order") if found is None else as_json(shown(found))


@blueprint.get("/api/stock")
def show_stock() -> Response:
    """What is in stock."""
    given = request.args.get("ids", "")
    if not IDS.fullmatch(given):
        return answer(400, f"ids must be 1 to {MOST_SHELVES} whole numbers, separated by commas")
    wanted = sorted({int(number) for number in given.split(",")})
    return as_json({"items": house().store.shelves(wanted)})


@blueprint.get("/livez")
def livez() -> Response:
    """The process answers."""
    return as_json({"status": "alive"})


@blueprint.get("/readyz")
def readyz() -> Response:
    """The database answers too."""
    house().store.ready()
    return as_json({"status": "ready"})
