"""POSTs on kept connections with pauses around the time after which the backend closes idle ones.

The clients ask together, so that each request takes a connection of its own to the backend, and all of them
are idle for the same time until the next round.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.endurance.counting_app import BOOK
from bench.endurance.front import Front, backend, front, serving
from bench.endurance.wire import Answer, Before, Connection, Fate, head

_CLIENTS = 50
_LAG = 0.02  # seconds in which a raw server has decided to close, and the facade cannot know it yet
_SERVICE = 0.02
REPO = Path(__file__).parents[2]


@dataclass(frozen=True)
class Subject:
    """A server, and when it closes; `spread`: how far around that pauses are, in seconds."""

    name: str
    idle: float
    workers: int = 1
    spread: tuple[float, float] = (-0.1, 0.1)
    environment: Mapping[str, str] = field(default_factory=dict)
    only_near: bool = False

    def pauses(self, rounds: int, dice: random.Random) -> list[float]:
        """Half of them anywhere up to a little more than the limit, half close to it."""
        near = [self.idle + dice.uniform(*self.spread) for _ in range(rounds)]
        far = [dice.uniform(min(0.2, self.idle / 2), self.idle * 1.1) for _ in range(rounds)]
        mixed = [pair[n % 2] for n, pair in enumerate(zip(near, far, strict=True))]
        return near if self.only_near else mixed


# gunicorn looks at its idle connections once a second, so it closes them 2 to 3 s after their last answer.
GUNICORN = Subject("gunicorn", 2.0, spread=(-0.1, 1.1))
RAW = tuple(Subject(f"raw {idle:g} s", idle) for idle in (0.5, 1.0, 2.0))
OLD_RULES = {"STRANGLER_FACADE_UPSTREAM_IDLE": "5", "STRANGLER_FACADE_UNSAFE_IDLE": "5"}
CONTROL = Subject(
    "raw 0.5 s, any connection reused", 0.5, spread=(0.0, _LAG), environment=OLD_RULES, only_near=True
)


@dataclass
class Result:
    """What became of the POSTs of one subject."""

    subject: str
    workers: int
    posts: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    carried_out_twice: int = 0
    answered_and_not_carried_out: int = 0
    connections_opened: float = 0

    @property
    def failed(self) -> int:
        """How many were not answered with 200."""
        return self.posts - self.fates[Fate.ANSWERED]

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {**vars(self), "failed": self.failed}


@contextmanager
def _server(subject: Subject, home: Path, book: Path) -> Iterator[str]:
    if subject.name.startswith("gunicorn"):
        options = ["--workers", "1", "--threads", str(_CLIENTS + 10), "--keep-alive", "2", "--worker-class"]
        options += ["gthread", "--log-level", "error", "bench.endurance.counting_app:app"]

        def command(port: str) -> list[str]:
            return [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", *options]

        with serving(home, command, {BOOK: str(book), "PYTHONPATH": str(REPO)}) as url:
            yield url
        return
    with backend(home, idle=subject.idle, lag=_LAG, service=_SERVICE, book=book) as url:
        yield url


async def _ask_all(subject: Subject, facade: Front, book: Path, posts: int, seed: int) -> Result:
    """Send that many POSTs to a facade before this server."""
    result, dice = Result(subject.name, subject.workers), random.Random(seed)
    clients = [_Client(facade.port, result, number) for number in range(_CLIENTS)]
    for pause in subject.pauses(-(-posts // _CLIENTS), dice):
        await asyncio.gather(*(one.turn(safe_first=_safe(subject, dice)) for one in clients))
        await asyncio.sleep(pause)
    for one in clients:
        one.close()
    result.connections_opened = facade.metric("strangler_upstream_opened_total")
    _settle(result, book, {name for one in clients for name in one.answered})
    return result


def _safe(subject: Subject, dice: random.Random) -> bool:
    return not subject.only_near and dice.random() < 0.2


def _settle(result: Result, book: Path, answered: set[str]) -> None:
    times = Counter(book.read_text("utf-8").split())
    result.carried_out_twice = sum(1 for count in times.values() if count > 1)
    result.answered_and_not_carried_out = len(answered - set(times))


class _Client:
    """One client on a kept connection."""

    def __init__(self, port: int, result: Result, number: int) -> None:
        self._port, self._result, self._number = port, result, number
        self._connection: Connection | None = None
        self._posts = 0
        self.answered: list[str] = []

    async def turn(self, *, safe_first: bool) -> None:
        """POST once, behind a GET perhaps."""
        if safe_first:
            await self._ask(head("GET", "/before"))
        self._posts += 1
        name = f"{self._number}-{self._posts}"
        request = head("POST", "/orders", f"Content-Length: {len(name)}") + name.encode()
        answer = await self._ask(request, name.encode())
        self._result.posts += 1
        self._result.fates[answer.fate] += 1
        self._result.statuses[answer.status] += 1
        if answer.fate is Fate.ANSWERED:
            self.answered.append(name)

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _ask(self, request: bytes, expected: bytes = b"") -> Answer:
        if self._connection is None or self._connection.look() is not Before.OPEN:
            self.close()
            self._connection = Connection(self._port)
            if not await self._connection.connect():
                self.close()
                return Answer(Fate.REFUSED)
        answer = await self._connection.ask(request, expected)
        if answer.last or answer.fate not in (Fate.ANSWERED, Fate.SERVER_ERROR):
            self.close()
        return answer


def cadences(home: Path, subjects: Sequence[Subject], posts: int, seed: int = 1) -> list[Result]:
    """All subjects beside each other, each with a facade and a server of its own."""

    async def ask(fronts: Sequence[tuple[Subject, Front, Path]]) -> list[Result]:
        return list(await asyncio.gather(*(_ask_all(*one, posts, seed) for one in fronts)))

    with ExitStack() as stack:
        fronts = []
        for number, subject in enumerate(subjects):
            place = home / f"subject-{number}"
            book = place / "book"
            place.mkdir(parents=True)
            book.touch()
            url = stack.enter_context(_server(subject, place, book))
            facade = front(place, url, workers=subject.workers, environment=subject.environment)
            fronts.append((subject, stack.enter_context(facade), book))
        return asyncio.run(ask(fronts))
