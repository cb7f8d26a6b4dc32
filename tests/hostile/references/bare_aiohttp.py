"""aiohttp's kept parser on both sides with nothing of ours around it: `python bare_aiohttp.py PORT ROUTES`.

What a careful person writes in an hour: hop-by-hop headers off, forwarding headers set anew, bodies streamed.
ROUTES is JSON, `{"/prefix/": port}`; "/" takes the rest. No upgrades.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import suppress

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te",
    "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip
FORWARDING = {"forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip"}
LINE, FIELD = 8 * 1024, 64 * 1024


class Passing:
    """Passes every request on, by the beginning of its path."""

    def __init__(self, routes: Mapping[str, int], session: aiohttp.ClientSession) -> None:
        self._routes = sorted(routes.items(), reverse=True)
        self._session = session

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request and its answer, both streamed."""
        headers = _kept(request.headers, HOP_BY_HOP | FORWARDING | {"content-length"})
        headers["X-Forwarded-For"] = request.remote or ""
        headers["X-Forwarded-Proto"] = "http"
        if "Content-Length" in request.headers:
            headers["Content-Length"] = request.headers["Content-Length"]
        path = request.raw_path if request.raw_path.startswith("/") else request.rel_url.raw_path_qs
        port = next((port for prefix, port in self._routes if path.startswith(prefix)), 0)
        try:
            async with self._session.request(
                request.method,
                URL(f"http://127.0.0.1:{port}{path}", encoded=True),
                headers=headers,
                data=request.content if request.body_exists else None,
                allow_redirects=False,
            ) as answer:
                return await self._answered(request, answer)
        except aiohttp.ClientError:
            return web.Response(status=502)

    async def _answered(self, request: web.BaseRequest, got: aiohttp.ClientResponse) -> web.StreamResponse:
        answer = web.StreamResponse(status=got.status, headers=_kept(got.headers, HOP_BY_HOP))
        await answer.prepare(request)
        try:
            async for data in got.content.iter_any():
                await answer.write(data)
        except Exception:  # noqa: BLE001 - its parser raises many kinds on a broken body
            if request.transport is not None:
                request.transport.abort()  # the client must see that its answer is not whole
            return answer
        await answer.write_eof()
        return answer


def _kept(headers: CIMultiDictProxy[str], dropped: set[str]) -> CIMultiDict[str]:
    named = {part.strip().lower() for value in headers.getall("Connection", []) for part in value.split(",")}
    gone = dropped | (named - {"host"})
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in gone)


async def _serve(port: int, routes: Mapping[str, int]) -> None:
    skipped = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
    async with aiohttp.ClientSession(
        auto_decompress=False,
        skip_auto_headers=skipped,
        cookie_jar=aiohttp.DummyCookieJar(),
        max_line_size=LINE,
        max_field_size=FIELD,
    ) as session:
        handle = Passing(routes, session).handle
        server = web.Server(handle, auto_decompress=False, max_line_size=LINE, max_field_size=FIELD)
        listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", port)
        await listener.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(int(sys.argv[1]), json.loads(sys.argv[2])))
