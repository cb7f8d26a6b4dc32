"""Clients that come, ask and think, each on its own connection, and know what became of every request."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bench.endurance.wire import Before, Connection, Fate, head

_EVERY = 10  # of the requests one asks for an answer that takes several writes
_LARGE = 300_000


@dataclass(frozen=True, slots=True)
class Kind:
    """`count` clients that think for a time between `think`, and ask `asks` times on one connection."""

    count: int
    think: tuple[float, float]
    asks: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """One request; `port` is its client's, `first`: nothing was asked on the connection before."""

    at: float
    seconds: float
    port: int
    first: bool
    fate: Fate


@dataclass
class Visitors:
    """What all of them saw."""

    port: int
    kinds: Sequence[Kind]
    seed: int = 1
    asked: list[Asked] = field(default_factory=list)
    between: Counter[str] = field(default_factory=Counter)  # how kept connections ended between two requests
    _stopping: bool = False

    @asynccontextmanager
    async def coming(self) -> AsyncIterator[Visitors]:
        """They come and go for the length of the block."""
        numbers, dice = itertools.count(), random.Random(self.seed)
        tasks = [
            asyncio.create_task(self._visit(kind, numbers, random.Random(dice.random())))
            for kind in self.kinds
            for _ in range(kind.count)
        ]
        try:
            yield self
        finally:
            self._stopping = True
            await asyncio.gather(*tasks)

    async def answers(self, count: int) -> None:
        """Wait for more of them."""
        wanted = len(self.asked) + count
        async with asyncio.timeout(60):
            while len(self.asked) < wanted:  # noqa: ASYNC110 - a witness that is told nothing disturbs nothing
                await asyncio.sleep(0.05)

    def fates(self, since: float = 0.0) -> Counter[str]:
        """What became of the requests that were sent after `since`."""
        return Counter(one.fate for one in self.asked if one.at >= since)

    async def _visit(self, kind: Kind, numbers: itertools.count[int], dice: random.Random) -> None:
        while not self._stopping:
            connection = Connection(self.port)
            try:
                await self._converse(kind, connection, numbers, dice)
            finally:
                connection.close()

    async def _converse(
        self, kind: Kind, connection: Connection, numbers: itertools.count[int], dice: random.Random
    ) -> None:
        began = time.monotonic()
        if not await connection.connect():
            self.asked.append(Asked(began, time.monotonic() - began, 0, True, Fate.REFUSED))
            await asyncio.sleep(0.05)
            return
        for turn in range(kind.asks):
            if turn and (found := connection.look()) is not Before.OPEN:
                self.between[found] += 1
                return
            if not await self._ask(connection, next(numbers), first=turn == 0):
                return
            await asyncio.sleep(dice.uniform(*kind.think))
            if self._stopping:
                return

    async def _ask(self, connection: Connection, number: int, *, first: bool) -> bool:
        """Whether the connection can be asked again."""
        large = number % _EVERY == 0
        path = f"/bytes/{_LARGE}" if large else f"/page/{number}"
        expected = b"" if large else f"/page/{number} ".encode()
        began = time.monotonic()
        answer = await connection.ask(head("GET", path), expected)
        fate = answer.fate
        if large and fate is Fate.ANSWERED and len(answer.body) != _LARGE:
            fate = Fate.WRONG
        self.asked.append(Asked(began, time.monotonic() - began, connection.own_port, first, fate))
        if answer.last:
            self.between["told"] += 1
        return fate is Fate.ANSWERED and not answer.last
