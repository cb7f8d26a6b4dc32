"""A WSGI application for a real gunicorn: it writes the body of each POST into a book, and says it back."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import Any

BOOK = "ENDURANCE_BOOK"
SERVICE = 0.02  # seconds: requests that come together are worked on together, each on its own connection


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request."""
    body: bytes = environ["wsgi.input"].read()
    time.sleep(SERVICE)
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    if method == "POST":
        book = os.open(os.environ[BOOK], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(book, body + b"\n")
        os.close(book)
    said = f"{method} {path} ".encode() + body[:100]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(said)))])
    return [said]
