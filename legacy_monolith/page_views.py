"""Counts who looked at what: a GET of this shop writes."""

from flask import request
from flask import session as cookie

from . import db
from .models import PageView

NOT_COUNTED = ("/static/", "/healthz", "/internal/", "/api/stock")


def write_page_view():
    if request.method != "GET" or request.path.startswith(NOT_COUNTED):
        return
    # A transaction of its own, short: it must not hold SQLite's one write lock while the page is made.
    with db.engine.begin() as connection:
        connection.execute(
            PageView.__table__.insert().values(
                path=storable(request.path, 400),
                customer_id=cookie.get("customer_id"),
                address=storable(request.remote_addr or "", 64),
                user_agent=storable(request.user_agent.string, 200),
                viewed_at=db.now(),
            )
        )


def storable(text, length):
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")[:length]
