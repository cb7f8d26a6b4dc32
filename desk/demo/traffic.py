"""The generator: starts visits at a rate, lets each play its script, and keeps the account."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

from yarl import URL

from desk.demo.account import Account, TrafficReport
from desk.demo.browser import Browser, Door, pause
from desk.demo.script import Author, Mix, Moment, Script, Shop, visits

MAX_OPEN = 200  # visits at once: more would measure this generator, not the shop
GRACE = 3.0  # seconds that requests under way may still take once the generator is stopped

Visit = tuple[Script, bool]  # what is done, and whether cookies are kept


class NotOurs(ValueError):
    """The URL leads to another machine, or nowhere."""


class Traffic:
    """Visitors of the shop at `url` (loopback only): `rate` new browsers a second, None for no pause.

    `think` is the mean pause in seconds (none is longer than twice that); `seed` decides everything but time.
    """

    def __init__(
        self,
        url: str,
        *,
        rate: float | None = 5.0,
        products: int = 500,
        customers: int = 200,
        seed: int = 1,
        think: float = 0.5,
        log: Path | None = None,
        mix: Mix | None = None,
        timeout: float = 10.0,
        max_open: int = MAX_OPEN,
        key_cookie: str = "strangler_key",
    ) -> None:
        if rate is not None and not 0 < rate <= 1000:
            raise ValueError("the rate is in new sessions a second: above 0, at most 1000")
        self._door = Door(_loopback(url), timeout, key_cookie)
        self._rate = rate
        self._shop = Shop(products, customers)
        self._seed = seed
        self._think = think
        self._mix = mix or Mix()
        self._max_open = max_open
        self._log = log
        self._account = Account()
        self._began = 0.0
        self._open: set[asyncio.Task[None]] = set()

    async def run(
        self,
        duration: float | None = None,
        stop: asyncio.Event | None = None,
        *,
        sessions: int | None = None,
    ) -> TrafficReport:
        """Go on for `duration` seconds, until `stop`, or for exactly `sessions` browsers, whichever is first.

        What ends by time or `stop` starts nothing new and cuts visits short; what ends by `sessions` lets all
        of them finish. Either way every request that was sent is in the report, once.
        """
        ending = stop or asyncio.Event()
        with self._clock(duration, ending):
            return await self._play(self._visits(sessions), ending, self._rate, sessions is not None)

    async def get_all(self, paths: Iterable[str], *, browsers: int = 20) -> TrafficReport:
        """GET each of `paths` exactly once, by `browsers` people who open the first page before."""
        scripts = ((script, True) for script in visits(list(paths), browsers))
        return await self._play(scripts, asyncio.Event(), rate=None, patient=True)

    def report(self) -> TrafficReport:
        """The account so far."""
        return self._account.report(asyncio.get_running_loop().time() - self._began)

    @property
    def open(self) -> int:
        """Visits under way."""
        return len(self._open)

    def flush(self) -> None:
        """Bring the log to the file."""
        self._account.flush()

    async def _play(
        self, visits: Iterator[Visit], stop: asyncio.Event, rate: float | None, patient: bool
    ) -> TrafficReport:
        self._account = Account(self._log)
        self._began = asyncio.get_running_loop().time()
        try:
            await self._start_all(visits, stop, rate, patient or rate is None)
            await self._finish(stop)
            return self.report()
        finally:
            await self._drop()
            self._account.close()

    async def _start_all(
        self, visits: Iterator[Visit], stop: asyncio.Event, rate: float | None, patient: bool
    ) -> None:
        dice = Random(self._seed)  # noqa: S311  # repeatable on purpose
        due = self._began
        for number, visit in enumerate(visits, 1):
            if patient:
                await self._room(stop)
            if stop.is_set():
                return
            self._start(number, visit, stop)
            if rate is not None and visit[1]:
                due += dice.uniform(0.5, 1.5) / rate
                await pause(due - asyncio.get_running_loop().time(), stop)
            await asyncio.sleep(0)  # late or in no hurry: the visits go first

    def _start(self, number: int, visit: Visit, stop: asyncio.Event) -> None:
        if len(self._open) >= self._max_open:
            self._account.held_back += 1
            return
        script, keeps_cookies = visit
        self._account.sessions += keeps_cookies
        self._account.clients += not keeps_cookies
        task = asyncio.create_task(self._visit(number, script, keeps_cookies, stop))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _visit(self, number: int, script: Script, keeps_cookies: bool, stop: asyncio.Event) -> None:
        async with Browser(self._door, self._account, number, keeps_cookies=keeps_cookies) as browser:
            for moment in script:
                await pause(moment.think, stop)
                if stop.is_set():
                    return
                await _at_once(browser, moment)

    def _visits(self, sessions: int | None) -> Iterator[Visit]:
        number = 0
        while sessions is None or number < sessions:
            number += 1
            dice = Random(f"{self._seed}/{number}")  # noqa: S311  # each visit's own: the same in any order
            yield Author(dice, self._shop, self._mix, self._think).browser(), True
            if dice.random() < self._mix.unkeyed:
                yield Author(dice, self._shop, self._mix, self._think).client(), False

    async def _room(self, stop: asyncio.Event) -> None:
        while len(self._open) >= self._max_open and not stop.is_set():
            await asyncio.wait(self._open, return_when=asyncio.FIRST_COMPLETED, timeout=0.25)

    async def _finish(self, stop: asyncio.Event) -> None:
        """Let the visits end: to their last step, or to their present one once `stop` is set."""
        while self._open and not stop.is_set():
            await asyncio.wait(self._open, timeout=0.25)
        if self._open:
            await asyncio.wait(self._open, timeout=GRACE)
        await self._drop()

    async def _drop(self) -> None:
        left = list(self._open)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    @contextlib.contextmanager
    def _clock(self, duration: float | None, stop: asyncio.Event) -> Iterator[None]:
        if duration is None:
            yield
            return
        alarm = asyncio.get_running_loop().call_later(duration, stop.set)
        try:
            yield
        finally:
            alarm.cancel()


async def _at_once(browser: Browser, moment: Moment) -> None:
    if len(moment.steps) == 1:
        await browser.take(moment.steps[0])
        return
    await asyncio.gather(*(browser.take(step) for step in moment.steps))


def _loopback(url: str) -> URL:
    """The URL of a shop on this machine; anything else is somebody's real shop."""
    try:
        where = URL(url)
        host = "127.0.0.1" if where.host == "localhost" else where.host or ""
        ours = where.scheme == "http" and ipaddress.ip_address(host).is_loopback
    except ValueError:
        ours = False
    if not ours:
        raise NotOurs(f"{url} is not on this machine; give the facade's, for example http://127.0.0.1:8000")
    return where.origin()
