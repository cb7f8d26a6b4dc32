"""From rows to the monolith's JSON and pages."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from extracted.orders.amounts import told, told_time
from extracted.orders.database import Row
from extracted.orders.rows import Line

KINDS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
}


def order(row: Row, lines: Iterable[Line], zone: ZoneInfo) -> dict[str, Any]:
    """An order as the API tells it; a reference is told where there is one."""
    known_as = {"client_reference": row["client_reference"]} if row["client_reference"] else {}
    return known_as | {
        "id": row["legacy_id"],
        "status": row["status"],
        "total": told(row, "total"),
        "discount": told(row, "discount"),
        "shipping": told(row, "shipping"),
        "placed_at": told_time(row, "placed", zone),
        "lines": [
            {
                "product_id": line.product_id,
                "name": line.name,
                "quantity": line.quantity,
                "unit_price": line.price,
            }
            for line in lines
        ],
    }


def line(row: Row, name: str) -> Line:
    """A line as it is told, with the product's name."""
    return Line(row["product_id"], row["quantity"], told(row, "unit_price"), name)


def json_text(value: Any) -> str:
    """As the monolith spells JSON: keys sorted, a line break at the end."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE).decode()


def page(status: int, message: str) -> str:
    """A refusal as a page; the shop's menu is not this service's."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<title>{status}</title><link rel="stylesheet" href="/static/shop.css"></head>\n'
        f"<body><main>\n<h1>{status}</h1>\n<p>{escape(message)}</p>\n"
        '<p><a href="/">Back to the shop</a></p>\n</main></body></html>\n'
    )


def with_message(html: str, message: str) -> str:
    """The monolith's page with an error said where the monolith says it."""
    said = f'<p class="flash error">{escape(message)}</p>'
    return html.replace("<main>", f"<main>\n{said}", 1)
