"""The catalog's HTTP side: the monolith's five routes, health, and the switch of the planted faults."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

import orjson
from flask import Blueprint, Flask, Response, current_app, g, request
from sqlalchemy.exc import DataError, SQLAlchemyError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from extracted.catalog import answers, faults
from extracted.catalog.answers import Row
from extracted.catalog.errors import BadRequest, NotFound, StockAway
from extracted.catalog.settings import Settings
from extracted.catalog.shelves import Shelves
from extracted.catalog.store import SORTS, Store

api = Blueprint("api", __name__)
plumbing = Blueprint("plumbing", __name__)

_log = logging.getLogger("catalog")
KINDS = {400: "bad_request", 404: "not_found", 405: "method_not_allowed"}

_whole_number = re.compile(r"[0-9]{1,9}")


def create_app(store: Store, settings: Settings, switch: faults.Switch, shelves: Shelves) -> Flask:
    """The WSGI application; `switch` is shared with the workers forked from this process."""
    app = Flask(__name__)
    app.extensions["catalog"] = (store, settings, switch)
    app.extensions["shelves"] = shelves
    app.register_blueprint(api)
    app.register_blueprint(plumbing)
    app.before_request(read_faults)
    app.after_request(sign)
    app.register_error_handler(NotFound, lambda error: problem(404, "not_found", str(error)))
    app.register_error_handler(BadRequest, lambda error: problem(400, "bad_request", str(error)))
    app.register_error_handler(HTTPException, refuse)
    app.register_error_handler(DataError, unusable)
    app.register_error_handler(UnicodeError, unusable)
    app.register_error_handler(SQLAlchemyError, database_away)
    app.register_error_handler(StockAway, lambda error: problem(503, "unavailable", str(error)))
    return app


def answer(value: Any, status: int = 200) -> Response:
    """`value` as JSON."""
    return Response(orjson.dumps(value) + b"\n", status, mimetype="application/json")


def problem(status: int, kind: str, message: str) -> Response:
    """A refusal in the monolith's shape."""
    return answer({"error": kind, "message": message}, status)


def refuse(error: HTTPException) -> Response:
    """What Flask refuses by itself: an unknown path, another method, a failure of ours."""
    status = error.code or 500
    refused = problem(
        status, KINDS.get(status, "error"), "no such page" if status == 404 else error.description or ""
    )
    if isinstance(error, MethodNotAllowed):
        refused.headers["Allow"] = ", ".join(error.valid_methods or ())
    return refused


def unusable(_error: Exception) -> Response:
    """Text that no row can hold, such as NUL in PostgreSQL."""
    return problem(400, "bad_request", "This value cannot be used.")


def database_away(error: SQLAlchemyError) -> Response:
    """The database failed: say so, and let the caller come again."""
    _log.error("the database failed on %s: %s", request.path, str(error).splitlines()[0])
    return problem(503, "unavailable", "the catalog's database cannot be reached")


def read_faults() -> None:
    """Once per request: an answer and the build it names must not fall on two sides of a change."""
    g.faults = current_app.extensions["catalog"][2].get()


def sign(response: Response) -> Response:
    """Name the build on every answer, with the faults that were active while it was made."""
    response.headers["X-Build"] = faults.build_id(current_app.extensions["catalog"][1].build, g.faults)
    return response


def the_store() -> Store:
    """The store of the application that answers."""
    store: Store = current_app.extensions["catalog"][0]
    return store


def the_shelves() -> Shelves:
    """The shelves that the application that answers asks about."""
    shelves: Shelves = current_app.extensions["shelves"]
    return shelves


def summaries(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Products of a list, with what is in stock of each."""
    shelves = the_shelves().of([row["legacy_id"] for row in rows])
    return [answers.summary(row, shelves[row["legacy_id"]]) for row in rows]


def number(name: str, default: int, most: int, wish: str) -> int:
    """The query's number from 1 to `most`. Raises BadRequest with `wish`."""
    given = request.args.get(name, str(default))
    if not _whole_number.fullmatch(given) or not 1 <= int(given) <= most:
        raise BadRequest(f"{name} must be {wish}")
    return int(given)


@api.get("/api/products/<int:legacy_id>")
def show_product(legacy_id: int) -> Response:
    """One product; the only answer in which faults are planted."""
    row = the_store().product(legacy_id)
    shelf = the_shelves().of([legacy_id])[legacy_id]
    return answer(faults.spoil(answers.product(row, shelf), g.faults))


@api.get("/api/products")
def list_products() -> Response:
    """One page of products."""
    page = number("page", 1, 1_000_000, "a whole number from 1")
    per_page = number("per_page", 20, 100, "a whole number from 1 to 100")
    sort = request.args.get("sort", "id")
    if sort not in SORTS:
        raise BadRequest("sort must be id, name or price")
    total, rows = the_store().page(page, per_page, sort, request.args.get("category"))
    return answer({"page": page, "per_page": per_page, "total": total, "items": summaries(rows)})


@api.get("/api/categories")
def list_categories() -> Response:
    """All categories."""
    return answer({"items": [answers.category(row) for row in the_store().categories()]})


@api.get("/api/categories/<slug>")
def show_category(slug: str) -> Response:
    """One category with its first products."""
    found, rows = the_store().category(slug)
    return answer(answers.category(found) | {"products": summaries(rows)})


@api.get("/api/search")
def search_products() -> Response:
    """The products whose name contains `q`."""
    wanted = request.args.get("q", "").strip()
    if not wanted:
        raise BadRequest("q must not be empty")
    limit = number("limit", 10, 100, "a whole number from 1 to 100")
    total, rows = the_store().search(wanted, limit)
    return answer({"query": wanted, "total": total, "items": summaries(rows)})


@api.after_request
def fresh_for_no_time(response: Response) -> Response:
    """What the monolith says of its catalog, and the comparison looks at."""
    response.headers["Cache-Control"] = "max-age=0"
    return response


@plumbing.get("/livez")
def livez() -> Response:
    """The process answers."""
    return answer({"status": "alive"})


@plumbing.get("/readyz")
def readyz() -> Response:
    """The database answers too."""
    return answer({"status": "ready", "products": the_store().ready()})


@plumbing.route("/_faults", methods=["GET", "PUT"])
def planted_faults() -> Response:
    """Show the active faults, or make exactly the named ones active."""
    _, settings, switch = current_app.extensions["catalog"]
    if not settings.demo or not from_this_machine():
        raise NotFound("no such page")
    if request.method == "PUT":
        g.faults = wanted_faults(request.get_json(silent=True))
        switch.set(g.faults)
    return answer({"faults": faults.names(g.faults), "build": faults.build_id(settings.build, g.faults)})


def from_this_machine() -> bool:
    """Asked directly over loopback, by no proxy on somebody's behalf."""
    forwarded = any(name in request.headers for name in ("X-Forwarded-For", "Forwarded", "Via"))
    return request.remote_addr in ("127.0.0.1", "::1") and not forwarded


def wanted_faults(body: Any) -> faults.Fault:
    """The set in `{"faults": ["type", …]}`. Raises BadRequest."""
    wanted = body.get("faults") if isinstance(body, dict) else None
    if not isinstance(wanted, list) or not all(isinstance(name, str) for name in wanted):
        raise BadRequest('the body must be {"faults": ["type", "rounding", "missing"]}, or fewer of them')
    try:
        return faults.parse(wanted)
    except ValueError as error:
        raise BadRequest(str(error)) from error
