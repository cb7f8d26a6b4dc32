"""`bare_aiohttp.py PORT UPSTREAM`: a proxy of aiohttp's server and client that checks and tells nothing."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web
from multidict import CIMultiDict

_HOP_BY_HOP = ("Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Content-Length")


async def _serve(port: int, upstream: int) -> None:
    connector = TCPConnector(limit=0, keepalive_timeout=3600)
    timeout = ClientTimeout(total=None)
    async with ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            body = request.content if request.body_exists else None
            async with session.request(
                request.method,
                f"http://127.0.0.1:{upstream}{request.raw_path}",
                headers=_kept(request.headers),
                data=body,
                allow_redirects=False,
            ) as found:
                answer = web.StreamResponse(status=found.status, headers=_kept(found.headers))
                answer.content_length = found.content_length
                await answer.prepare(request)
                async for piece in found.content.iter_any():
                    await answer.write(piece)
                await answer.write_eof()
                return answer

        runner = web.ServerRunner(web.Server(handle, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()


def _kept(headers: Mapping[str, str]) -> CIMultiDict[str]:
    kept = CIMultiDict(headers)
    for name in _HOP_BY_HOP:
        kept.popall(name, None)
    return kept


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
