"""An Unleash server's client API, polled with ETags; every fetch is bounded in time and size."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx

from migration.adapters.flag_source_file import MAX_BYTES, parse
from migration.core.flags import FlagState
from migration.errors import FlagError

TIMEOUT = 2.0  # seconds for a whole fetch: a stopped server accepts the connection and then says nothing
_CURES = {
    401: "check flags.token",
    403: "check flags.token",
    404: "check the URL in flags.source",
    429: "poll less often",
}


class UnleashFlags:
    """A flag source that is an Unleash server."""

    def __init__(self, url: str, token: str, clock: Callable[[], float]) -> None:
        """`url` without `/api`; `token` is a backend token, which names project and environment."""
        self._url, self._token, self._clock = url, token, clock
        self._client: httpx.AsyncClient | None = None
        self._kept: tuple[str, FlagState] | None = None

    async def fetch(self) -> FlagState:
        """The state now."""
        at = self._clock()
        try:
            async with asyncio.timeout(TIMEOUT):
                state = await self._fetch()
        except TimeoutError:
            await self.close()  # the connection may be in the middle of an answer
            raise FlagError(f"{self.describe()} does not answer within {TIMEOUT:.0f} s; is it up?") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise FlagError(f"{self.describe()} cannot be asked: {_reason(error)}; is it up?") from None
        return state.at(at)

    async def close(self) -> None:
        """Let go of connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def describe(self) -> str:
        """Which source this is, without its token."""
        return f"the Unleash server {self._url}"

    async def _fetch(self) -> FlagState:
        if self._client is None:
            # trust_env: flags must not go through whatever proxy a shell happens to name.
            self._client = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)
        # Not part of the client: its headers would show up in its representation.
        headers = {"Authorization": self._token, "UNLEASH-APPNAME": "strangler", "Accept": "application/json"}
        if self._kept is not None:
            headers["If-None-Match"] = self._kept[0]
        async with self._client.stream("GET", f"{self._url}/api/client/features", headers=headers) as answer:
            if answer.status_code == 304 and self._kept is not None:
                return self._kept[1]
            if answer.status_code != 200:
                cure = _CURES.get(answer.status_code, "look into its log")
                raise FlagError(f"{self.describe()} answers {answer.status_code}; {cure}")
            state = parse(await self._body(answer), self.describe())
            etag = answer.headers.get("ETag")
        self._kept = (etag, state) if etag else None
        return state

    async def _body(self, answer: httpx.Response) -> bytes:
        raw = bytearray()
        async for piece in answer.aiter_bytes():
            raw += piece
            if len(raw) > MAX_BYTES:
                break
        return bytes(raw)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
