"""The WSGI application: the routes, and which answer each error becomes."""

from __future__ import annotations

from flask import Flask
from werkzeug.exceptions import HTTPException

from extracted.identity import IdentityError
from extracted.orders import api, forms
from extracted.orders.errors import DatabaseAway, OrdersError, Refused, Taken, Unusable
from extracted.orders.place import InFlight, KeyMisused
from extracted.orders.web import House, answer, away, nobody, refuse, sign


def create_app(house: House) -> Flask:
    """The WSGI application."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 1024 * 1024
    app.extensions["house"] = house
    app.register_blueprint(api.blueprint)
    app.register_blueprint(forms.blueprint)
    app.after_request(sign)
    app.register_error_handler(HTTPException, refuse)
    app.register_error_handler(Refused, lambda error: answer(409, str(error)))
    app.register_error_handler(Unusable, lambda _: answer(400, "This value cannot be used."))
    app.register_error_handler(OrdersError, away)
    # A number that is taken already: a block that overlaps another. Nothing was done.
    app.register_error_handler(Taken, lambda error: away(DatabaseAway(f"{error} is taken already")))
    app.register_error_handler(IdentityError, nobody)
    app.register_error_handler(
        KeyMisused, lambda _: answer(422, "This Idempotency-Key was used for another request.")
    )
    app.register_error_handler(
        InFlight, lambda _: answer(409, "The first request with this Idempotency-Key is not finished.")
    )
    return app
