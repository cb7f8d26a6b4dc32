"""Asks the other side over HTTP: one bounded answer, exactly the given headers, no cookies of its own."""

from __future__ import annotations

import asyncio

import aiohttp
from yarl import URL

from shadow.ports import Question, Reply

_CONNECTIONS = 128  # to all sides together; routes have limits of their own below that
_IDLE = 15.0  # seconds a connection is kept for the next question
_NOT_OURS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class HttpAsker:
    """A client that adds and hides nothing."""

    def __init__(self) -> None:
        """Opens connections on demand; make it inside the running loop."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=_IDLE),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_NOT_OURS,
            trust_env=False,
        )

    async def ask(self, question: Question) -> Reply:
        """The reply; whatever goes wrong on the other side becomes its `failure`."""
        try:
            # The target goes out as it came in: an encoding that one side reads differently must stay.
            url = URL(f"{question.url.rstrip('/')}{question.target.decode('latin-1')}", encoded=True)
            async with self._session.request(
                question.method,
                url,
                headers=question.headers,
                data=question.body or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=question.timeout),
            ) as answer:
                return await _read(answer, question.max_body)
        except TimeoutError:
            return Reply(failure="timeout", detail=f"no whole answer within {question.timeout:g} s")
        except (aiohttp.ClientError, OSError, ValueError, asyncio.IncompleteReadError) as error:
            return Reply(failure="error", detail=f"{type(error).__name__}: {error}"[:200])

    async def close(self) -> None:
        """Let go of connections."""
        await self._session.close()


async def _read(answer: aiohttp.ClientResponse, limit: int) -> Reply:
    parts: list[bytes] = []
    size = 0
    async for part in answer.content.iter_any():
        size += len(part)
        if size > limit:
            answer.close()  # the rest is not wanted; the connection goes with it
            return Reply(answer.status, answer.raw_headers, failure="too_large", detail=f"over {limit} bytes")
        parts.append(part)
    return Reply(answer.status, answer.raw_headers, b"".join(parts))
