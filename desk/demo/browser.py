"""One visitor's connection to the shop: sends a step, and tells how it ended without ever raising."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from desk.demo.account import Account, Outcome, Sent
from desk.demo.script import Step

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PAGE = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "none",
}
CALL = {
    "Accept": "application/json",
    "Sec-Fetch-Dest": "empty",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Site": "same-origin",
}
PROGRAM = {"Accept": "application/json"}
CONNECTIONS = 6  # what browsers open to one host


@dataclass(frozen=True, slots=True)
class Door:
    """Where the shop is and how long to wait for it; `key_cookie` is the sticky key's."""

    url: URL
    timeout: float
    key_cookie: str


@dataclass(slots=True)
class _Got:
    """What has arrived of an answer."""

    status: int | None = None
    build: str | None = None
    location: str | None = None
    bytes: int = 0


class Browser:
    """A visitor with a cookie jar (`keeps_cookies`), or a program without one."""

    def __init__(self, door: Door, account: Account, number: int, *, keeps_cookies: bool = True) -> None:
        self._door = door
        self._account = account
        self._number = number
        self._keeps_cookies = keeps_cookies
        jar = (
            aiohttp.CookieJar(unsafe=True, quote_cookie=False) if keeps_cookies else aiohttp.DummyCookieJar()
        )
        self._client = aiohttp.ClientSession(
            cookie_jar=jar,
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            timeout=aiohttp.ClientTimeout(total=door.timeout),
            headers={"User-Agent": AGENT if keeps_cookies else "shop-client/1.0"},
        )
        # A GET that is silently sent again would be one request here and two at the other end, and an error
        # that a user saw would be in nobody's account.
        self._client._retry_connection = False

    async def __aenter__(self) -> Browser:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def take(self, step: Step) -> None:
        """Send the step; a page that has moved is followed once, as a request of its own."""
        location = await self._send(step)
        if step.navigation and location:
            moved = urlsplit(urljoin(str(self._door.url.join(URL(step.path))), location))
            if (moved.hostname, moved.port) == (self._door.url.host, self._door.url.explicit_port):
                await self._send(Step("product_page", moved.path, navigation=True))

    async def _send(self, step: Step) -> str | None:
        at, began, keyed, got = time.time(), time.perf_counter(), self._has_key(), _Got()
        outcome, error = Outcome.STOPPED, ""
        try:
            outcome, error = await self._exchange(step, got)
        finally:  # a stopped generator has sent it all the same
            self._account.take(
                Sent(
                    at=round(at, 6),
                    session=self._number,
                    keyed=keyed,
                    method=step.method,
                    path=step.path,
                    route=step.route,
                    outcome=outcome,
                    ms=round((time.perf_counter() - began) * 1000, 3),
                    status=got.status,
                    build=got.build,
                    side=side_of(got.build),
                    bytes=got.bytes,
                    error=error or None,
                )
            )
        return got.location

    async def _exchange(self, step: Step, got: _Got) -> tuple[Outcome, str]:
        try:
            await self._ask(step, got)
        except TimeoutError as error:  # before the others: some of aiohttp's are both
            return Outcome.TIMEOUT, type(error).__name__
        except aiohttp.ClientConnectorError as error:
            return Outcome.REFUSED, type(error).__name__
        except (aiohttp.ClientError, OSError) as error:
            return Outcome.RESET if got.status is None else Outcome.CUT, type(error).__name__
        return Outcome.ANSWERED, ""

    async def _ask(self, step: Step, got: _Got) -> None:
        async with self._client.request(
            step.method,
            self._door.url.join(URL(step.path, encoded=True)),
            json=step.body,
            headers=(PAGE if step.navigation else CALL) if self._keeps_cookies else PROGRAM,
            allow_redirects=False,
        ) as response:
            got.status = response.status
            got.build = response.headers.get("X-Build")
            got.location = response.headers.get("Location") if response.status in (301, 302, 303) else None
            async for piece in response.content.iter_any():
                got.bytes += len(piece)

    def _has_key(self) -> bool:
        return self._door.key_cookie in self._client.cookie_jar.filter_cookies(self._door.url)


def side_of(build: str | None) -> str | None:
    """The side that a build id of the samples belongs to."""
    if build is None:
        return None
    return "legacy" if build.startswith("legacy") else "extracted"


async def pause(seconds: float, stop: asyncio.Event) -> None:
    """Wait, but no longer than until `stop`."""
    if seconds > 0 and not stop.is_set():
        try:
            async with asyncio.timeout(seconds):
                await stop.wait()
        except TimeoutError:
            return
