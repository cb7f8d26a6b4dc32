"""Workers that are killed, and all of them replaced one by one, while clients ask."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.endurance.front import Front, backend, front
from bench.endurance.visitors import Asked, Kind, Visitors
from bench.endurance.wire import Fate

_FROZEN = 0.4  # seconds in which a queue grows before the worker that it belongs to is killed
_ESTABLISHED = "01"
_IN_A_HURRY = Kind(20, (0.0, 0.05))
_NEW_EACH_TIME = Kind(10, (0.0, 0.05), asks=1)
# Their next request comes about when a drain closes what is idle.
_THOUGHTFUL = Kind(20, (0.7, 1.4))
_ASLEEP = Kind(10, (2.0, 4.0))
_SERVICE = 0.005


@dataclass
class Killed:
    """What a killed worker cost. A connection was accepted by it, waited in its queue, or was elsewhere's."""

    workers: int
    accepted: int = 0  # connections of the worker
    waiting: int = 0  # in its queue
    answered: int = 0
    in_flight: Counter[str] = field(default_factory=Counter)  # requests lost on its accepted connections
    lost_waiting: Counter[str] = field(default_factory=Counter)
    lost_elsewhere: Counter[str] = field(default_factory=Counter)
    between: Counter[str] = field(default_factory=Counter)
    seconds_to_successor: float = 0
    slowest_new_connection: float = 0  # seconds, from its first moment to its whole answer

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return dict(vars(self))


@dataclass
class Rolled:
    """What a rolling restart cost."""

    workers: int
    answered: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    between: Counter[str] = field(default_factory=Counter)
    seconds: float = 0
    slowest: float = 0

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return dict(vars(self))


def kill(home: Path, workers: int, load: int = 300) -> Killed:
    """SIGKILL one of the workers; before and after it `load` more requests are answered."""
    with backend(home, service=_SERVICE) as url, front(home, url, workers=workers) as facade:
        return asyncio.run(_kill(facade, workers, load))


async def _kill(facade: Front, workers: int, load: int) -> Killed:
    result = Killed(workers)
    async with Visitors(facade.port, (_IN_A_HURRY, _NEW_EACH_TIME, _THOUGHTFUL)).coming() as visitors:
        await visitors.answers(load)
        victim = facade.workers()[0]
        frozen_at = time.monotonic()
        os.kill(victim, signal.SIGSTOP)
        await asyncio.sleep(_FROZEN)
        accepted, waiting = _connections(victim, facade.port)
        os.kill(victim, signal.SIGKILL)
        killed_at = time.monotonic()
        await _until("a successor", lambda: _is_replaced(facade, victim, workers))
        result.seconds_to_successor = round(time.monotonic() - killed_at, 2)
        await visitors.answers(load)
        await asyncio.sleep(_THOUGHTFUL.think[1])  # all of them have met the end of their old connection
    _judge(result, visitors, accepted, waiting)
    new = [one.seconds for one in visitors.asked if one.first and one.at >= frozen_at]
    result.slowest_new_connection = round(max(new, default=0.0), 2)
    return result


def _judge(result: Killed, visitors: Visitors, accepted: set[int], waiting: set[int]) -> None:
    result.accepted, result.waiting, result.between = len(accepted), len(waiting), visitors.between
    for one in visitors.asked:
        if one.fate is Fate.ANSWERED:
            result.answered += 1
        elif one.port in accepted:
            result.in_flight[one.fate] += 1
        elif one.port in waiting:
            result.lost_waiting[one.fate] += 1
        else:
            result.lost_elsewhere[one.fate] += 1


def _is_replaced(facade: Front, victim: int, workers: int) -> bool:
    serving = facade.workers()
    return len(serving) == workers and victim not in serving


def _connections(pid: int, port: int) -> tuple[set[int], set[int]]:
    """Ports of the clients whose connections this process has accepted, and of those nobody has."""
    handles = Path(f"/proc/{pid}/fd").iterdir()
    own = {name[8:-1] for name in map(os.readlink, handles) if name.startswith("socket:[")}
    accepted, waiting = set(), set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, here, there, state, *rest = line.split()
        if int(here.partition(":")[2], 16) == port and state == _ESTABLISHED:
            client, inode = int(there.partition(":")[2], 16), rest[5]
            if inode in own:
                accepted.add(client)
            elif inode == "0":
                waiting.add(client)
    return accepted, waiting


def roll(home: Path, workers: int, times: int = 1) -> Rolled:
    """SIGUSR1, so many times one after the other."""
    with backend(home, service=_SERVICE) as url, front(home, url, workers=workers) as facade:
        return asyncio.run(_roll(facade, workers, times))


async def _roll(facade: Front, workers: int, times: int) -> Rolled:
    result = Rolled(workers)
    kinds = (_IN_A_HURRY, _NEW_EACH_TIME, _THOUGHTFUL, _ASLEEP)
    async with Visitors(facade.port, kinds).coming() as visitors:
        await visitors.answers(200)
        began = time.monotonic()
        for turn in range(1, times + 1):
            facade.signal(signal.SIGUSR1)
            await _until("the roll", lambda: facade.log().count('"event": "rolled"') >= turn, 60)  # noqa: B023
        result.seconds = round(time.monotonic() - began, 1)
        await visitors.answers(200)
        await asyncio.sleep(_ASLEEP.think[1])  # all of them have met the end of their old connection
    fates = visitors.fates()
    result.answered, result.between = fates.pop(Fate.ANSWERED, 0), visitors.between
    result.lost, result.slowest = fates, round(_slowest(visitors.asked), 2)
    return result


def _slowest(asked: Iterable[Asked]) -> float:
    return max((one.seconds for one in asked), default=0.0)


async def _until(what: str, holds: Callable[[], bool], within: float = 30.0) -> None:
    """Wait for it while the clients go on."""
    deadline = time.monotonic() + within
    while not await asyncio.to_thread(holds):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within:g} s: {what}")
        await asyncio.sleep(0.05)
