"""What a user sees when something is wrong: HTML, or JSON for the API and for whoever prefers it."""

from flask import current_app, jsonify, make_response, render_template, request
from sqlalchemy.exc import DataError, OperationalError
from werkzeug.exceptions import HTTPException

from .db import session

KINDS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
}


def register(app):
    app.register_error_handler(HTTPException, show_http_error)
    # Text that the database cannot hold (NUL, lone surrogates) and numbers too large for its columns.
    for refused in (UnicodeError, OverflowError, DataError):
        app.register_error_handler(refused, show_value_error)
    app.register_error_handler(OperationalError, show_database_error)


def show_value_error(_error):
    session.rollback()
    return answer(400, "This value cannot be used.")


def show_http_error(error):
    session.rollback()
    if error.code == 404 and wants_json():
        return answer(404, "no such page")
    response = answer(error.code, error.description)
    if getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(error.valid_methods)
    return response


def show_database_error(error):
    session.rollback()
    current_app.logger.warning("the database refused: %s", str(error.orig).splitlines()[:1])
    # No page: the layout would ask the database again.
    response = make_response(jsonify(error="busy", message="The shop is busy. Try again in a moment."), 503)
    response.headers["Retry-After"] = "1"
    return response


def wants_json():
    accepts = request.accept_mimetypes
    if request.path.startswith("/api/"):
        return True
    return accepts["application/json"] > accepts["text/html"]


def answer(status, message):
    if wants_json():
        return make_response(jsonify(error=KINDS.get(status, "error"), message=message), status)
    return make_response(render_template("error.html", status=status, message=message), status)
