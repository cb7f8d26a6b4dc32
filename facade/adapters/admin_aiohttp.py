"""The admin port, on loopback: /metrics, /livez, /readyz, /jwks.json, and /decisions with the token."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp.web import BaseRequest, Response, Server, StreamResponse


@dataclass(frozen=True, slots=True)
class AdminPages:
    """What the admin port shows; `readiness` gives whether requests are taken, and the state in words.

    `keys` are the public keys of the identity tokens, None where the plan makes none.
    """

    metrics: Callable[[], Awaitable[bytes]]
    readiness: Callable[[], tuple[bool, Mapping[str, object]]]
    decisions: Callable[[], Awaitable[Sequence[str]]]
    token: Callable[[], str | None]
    keys: Callable[[], bytes | None]


class AdminServer:
    """Answers GETs on the admin port."""

    def __init__(self, pages: AdminPages) -> None:
        """Nothing listens yet; `server` is the protocol factory."""
        self._pages = pages
        self.server = Server(self._serve, access_log=None)

    async def _serve(self, request: BaseRequest) -> StreamResponse:
        if request.method not in ("GET", "HEAD"):
            return _text(405, "Only GET is answered on the admin port.\n")
        path = request.rel_url.path
        if path == "/metrics":
            return Response(
                body=await self._pages.metrics(),
                headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
            )
        if path == "/livez":
            return _text(200, "alive\n")
        if path == "/readyz":
            return self._ready()
        if path == "/jwks.json":
            return self._keys()
        if path == "/decisions":
            return await self._decisions(request)
        return _text(404, "Here are /metrics, /livez, /readyz, /jwks.json and /decisions.\n")

    def _keys(self) -> Response:
        keys = self._pages.keys()
        if keys is None:
            return _text(404, "The plan has no [identity], so there are no keys.\n")
        return Response(body=keys, content_type="application/jwk-set+json")

    def _ready(self) -> Response:
        ready, state = self._pages.readiness()
        body = json.dumps({"ready": ready, **state}, default=str, ensure_ascii=False) + "\n"
        return Response(status=200 if ready else 503, text=body, content_type="application/json")

    async def _decisions(self, request: BaseRequest) -> Response:
        token = self._pages.token()
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        given = given if scheme.lower() == "bearer" else request.headers.get("X-Strangler-Token", "")
        if token is None or not hmac.compare_digest(given.encode("utf-8", "replace"), token.encode()):
            return _text(401, "Send the admin token: Authorization: Bearer TOKEN.\n")
        return _text(200, "".join(line + "\n" for line in await self._pages.decisions()))


def _text(status: int, text: str) -> Response:
    return Response(status=status, text=text, headers={"Cache-Control": "no-store"})
