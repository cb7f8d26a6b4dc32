"""One GET against one server, bounded in time and size, for comparing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import aiohttp
import yarl

from shadow.compare import Answer

BIGGEST = 8 * 1024 * 1024  # bytes of one answer, on the wire and decoded


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why there is none: `kind` is timeout, error or too_large."""

    kind: str
    why: str


def session(concurrency: int, headers: Mapping[str, str]) -> aiohttp.ClientSession:
    """A client without cookies, proxies or redirects: each answer is taken as it is."""
    connector = aiohttp.TCPConnector(limit=2 * concurrency)
    jar = aiohttp.DummyCookieJar()
    # Not decoded here: shadow undoes content codings within a bound, 1 MB of gzip can hold 1 GB.
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=jar, headers=headers, trust_env=False, auto_decompress=False
    )


async def get(client: aiohttp.ClientSession, base: str, path: str, timeout: float) -> Answer | NoAnswer:
    """GET `base` + `path`; never raises for what a server does."""
    try:
        async with asyncio.timeout(timeout):
            return await _get(client, base, path)
    except TimeoutError:
        return NoAnswer("timeout", f"no whole answer within {timeout:g} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return NoAnswer("error", _why(error))


async def _get(client: aiohttp.ClientSession, base: str, path: str) -> Answer | NoAnswer:
    # As it was written: a client that tidies `//` or `%2F` up would compare another path.
    url = yarl.URL(base.rstrip("/") + quote(path, safe="/?#[]@!$&'()*+,;=:%~-._"), encoded=True)
    async with client.get(url, allow_redirects=False) as response:
        body = bytearray()
        async for chunk in response.content.iter_chunked(65_536):
            body += chunk
            if len(body) > BIGGEST:
                response.close()
                return NoAnswer("too_large", f"the body is larger than {BIGGEST // 1_048_576} MB")
        return Answer(response.status, response.raw_headers, bytes(body))


def _why(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot connect: {error.os_error.strerror or error.os_error}"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
