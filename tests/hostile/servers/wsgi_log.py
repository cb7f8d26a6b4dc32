"""A Flask application that writes down every request it was given: `gunicorn wsgi_log:app`.

`LOG` in the environment is the file. A request is written once its body is whole, before it is answered: what
gunicorn took for a request and could not finish is none.
"""

from __future__ import annotations

import os
from hashlib import sha256

import flask
import orjson

app = flask.Flask(__name__)


@app.before_request
def _write_down() -> flask.Response:
    body = flask.request.get_data()
    line = {
        "id": flask.request.headers.get("X-Request-Id", ""),
        "method": flask.request.method,
        "target": flask.request.environ["RAW_URI"],
        "length": len(body),
        "digest": sha256(body).hexdigest(),
    }
    with open(os.environ["LOG"], "ab") as log:  # noqa: PTH123 - one write, appended whole
        log.write(orjson.dumps(line) + b"\n")
    return flask.Response("done\n", mimetype="text/plain")
