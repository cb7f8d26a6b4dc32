"""A Starlette application that writes down every request it was given: `uvicorn asgi_log:app`.

`LOG` in the environment is the file. A request is written once its body is whole, before it is answered.
"""

from __future__ import annotations

import os
from hashlib import sha256

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send


async def _write_down(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    request = Request(scope, receive)
    body = await request.body()
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    line = {
        "id": request.headers.get("X-Request-Id", ""),
        "method": request.method,
        "target": (scope["raw_path"] + query).decode("latin-1"),
        "length": len(body),
        "digest": sha256(body).hexdigest(),
    }
    with open(os.environ["LOG"], "ab") as log:  # noqa: PTH123 - one write, appended whole
        log.write(orjson.dumps(line) + b"\n")
    await PlainTextResponse("done\n")(scope, receive, send)


app = Starlette()
app.router.default = _write_down
