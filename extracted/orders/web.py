"""What every route uses: the house, who asks, and how a refusal is told."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import Response, current_app, g, request
from werkzeug.exceptions import HTTPException

from extracted.identity import GUEST, HEADER, Identity, IdentityError, Verifier
from extracted.orders import answers
from extracted.orders.calls import Calls
from extracted.orders.errors import (
    DatabaseAway,
    Moved,
    OrdersError,
    OutcomeUnknown,
    OutOfIds,
    ShopAway,
)
from extracted.orders.place import Counter
from extracted.orders.settings import Settings
from extracted.orders.shop import PASSED_ON, Kept, Shop
from extracted.orders.store import Store

_log = logging.getLogger("orders")

IDENTITY_COUNTS = 2.0  # seconds that a checked token is not checked again; it lives for 30 at most

# What may be tried again at once is told so; the facade and browsers know what to do with it.
AWAY = {
    Moved: ("moved", "1"),
    OutOfIds: ("out_of_ids", "10"),
    ShopAway: ("busy", "1"),
    DatabaseAway: ("busy", "1"),
    OutcomeUnknown: ("outcome_unknown", None),
}
SENTENCES = {
    ShopAway: "The shop is busy. Try again in a moment.",
    DatabaseAway: "The shop is busy. Try again in a moment.",
    OutcomeUnknown: "Whether this was done is not known. Look before you try again.",
}


@dataclass(frozen=True, slots=True)
class House:
    """Everything that the routes use."""

    settings: Settings
    store: Store
    shop: Shop
    calls: Calls
    counter: Counter
    verifier: Verifier
    known: Kept[Identity] = field(default_factory=Kept)


def house() -> House:
    """What the application that answers was made of."""
    found: House = current_app.extensions["house"]
    return found


def identity() -> Identity:
    """Who asks, by the facade's token. Raises IdentityError for one that it did not make."""
    if "identity" not in g:
        token = request.headers.get(HEADER)
        g.identity = house().known.get(token, IDENTITY_COUNTS, lambda: house().verifier.identity(token))
    found: Identity = g.identity
    return found


def customer() -> int | None:
    """The id of the customer who asks, or None."""
    subject = identity().subject
    return int(subject) if subject is not None and subject.isascii() and subject.isdigit() else None


def caller() -> Mapping[str, str]:
    """What the monolith has to be sent to know the caller."""
    return {name: value for name in PASSED_ON if (value := request.headers.get(name))}


def sign(response: Response) -> Response:
    """Name the build on every answer."""
    response.headers["X-Build"] = house().settings.build
    return response


def wants_json() -> bool:
    """As the monolith decides it."""
    accepts = request.accept_mimetypes
    if request.path.startswith("/api/"):
        return True
    return accepts["application/json"] > accepts["text/html"]


def answer(status: int, message: str, kind: str | None = None) -> Response:
    """A refusal, as JSON or as a page."""
    if wants_json():
        kind = kind or answers.KINDS.get(status, "error")
        return as_json({"error": kind, "message": message}, status)
    return Response(answers.page(status, message), status, content_type="text/html; charset=utf-8")


def as_json(value: object, status: int = 200) -> Response:
    """`value` as the monolith spells JSON."""
    return Response(answers.json_text(value), status, content_type="application/json")


def refuse(error: HTTPException) -> Response:
    """What Flask refuses by itself, and what `abort` says."""
    if error.code == 404 and wants_json():
        return answer(404, "no such page")
    response = answer(error.code or 500, error.description or "")
    if valid := getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(valid)
    return response


def away(error: OrdersError) -> Response:
    """Nothing was done (or nobody knows): say so, in JSON whoever asks, and let the caller come again."""
    kind, again = next((said for cause, said in AWAY.items() if isinstance(error, cause)), ("busy", "1"))
    _log.warning("%s %s: %s", request.method, request.path, error)
    response = as_json({"error": kind, "message": SENTENCES.get(type(error), str(error))}, 503)
    if again is not None:
        response.headers["Retry-After"] = again
    return response


def nobody(error: IdentityError) -> Response:
    """An identity that the facade did not make, or that cannot be checked."""
    g.identity = GUEST
    return answer(error.status, str(error))
