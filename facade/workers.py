"""All workers of a facade: started, replaced when they die or hang, rolled one by one, drained together.

Each has a place: a listening socket that is kept while workers come and go, so that whoever waits in its
queue is answered by the next one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from socket import socket
from typing import Any

from facade.adapters.control import Message
from facade.adapters.listening import close_all
from facade.adapters.log import Log
from facade.adapters.numbers import Numbers
from facade.adapters.spawning import spawn
from facade.background import let_go
from facade.core.workers import deaths_in_a_row, pause_after
from facade.errors import FacadeError
from facade.settings import Limits
from facade.worker_process import State, WorkerProcess

_STARTING = 30.0  # seconds for a worker to serve: half a second on a quiet machine, many more on a cold disk
_ATTEMPTS = 3  # at the start of all, before it is given up: then it is no accident
_LOOK = 0.25  # seconds between two looks at their silence
_ENDING = 5.0  # seconds beyond a drain's own, for the tap and the last numbers
_TOGETHER = 0.1  # seconds in which a SIGTERM to the whole group has reached the supervisor, too


@dataclass
class _Place:
    """A worker's place; `successor` is there while one takes over from `worker`."""

    number: int
    sockets: Sequence[socket] = ()
    worker: WorkerProcess | None = None
    successor: WorkerProcess | None = None
    deaths: int = 0


class Workers:
    """`greeting` makes what a worker is told first."""

    def __init__(
        self,
        count: int,
        env: Mapping[str, str],
        limits: Limits,
        log: Log,
        numbers: Numbers,
        greeting: Callable[[], dict[str, Any]],
        on_writes: Callable[[], None],
    ) -> None:
        """As many as `count`, none of them started; `on_writes` hears that fewer writes are on their way."""
        self._places = [_Place(number) for number in range(count)]
        self._env, self._limits, self._log, self._numbers = env, limits, log, numbers
        self._greeting, self._on_writes = greeting, on_writes
        self._ending = limits.drain + limits.last_answer + _ENDING
        self._one_by_one = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._all: list[WorkerProcess] = []
        self._unburied: set[WorkerProcess] = set()  # the channel of some has ended, the process not yet
        self._stopping = self._served = self._last = False

    # What is seen of them

    @property
    def all(self) -> Sequence[WorkerProcess]:
        """All that have not ended, in the order of their places."""
        return sorted(self._all, key=lambda one: one.place)

    @property
    def count(self) -> int:
        """How many there should be."""
        return len(self._places)

    @property
    def serving(self) -> int:
        """How many serve."""
        return sum(one.state is State.SERVING for one in self._all)

    @property
    def complete(self) -> bool:
        """Whether every place had a worker that served."""
        return self._served

    def reports(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """What each of them saw last, by its place."""
        return [(str(one.place), one.report) for one in self.all]

    def writes(self, name: str, version: int) -> int:
        """How many writes of a slice are on their way since all took its row; one for who has not said so."""
        known = (one.writes.get(name, (-1, 1)) for one in self._all if one.greeted)
        return sum(count if taken == version else 1 for taken, count in known)

    # Talking

    def tell(self, kind: str, **content: Any) -> None:
        """Tell all of a change."""
        for one in self._all:
            if one.greeted:
                one.tell(kind, **content)

    def remark(self, kind: str, **content: Any) -> None:
        """Tell all what is told again soon."""
        for one in self._all:
            if one.greeted:
                one.remark(kind, **content)

    async def ask(
        self,
        kind: str,
        *,
        of: Iterable[WorkerProcess] | None = None,
        within: float | None = None,
        **content: Any,
    ) -> dict[WorkerProcess, Message]:
        """The answers of all, or of some, by who gave them; who is late, or ends before, is left out."""
        some = [one for one in (self._all if of is None else of) if one.greeted]
        asked = {one: asyncio.ensure_future(one.ask(kind, **content)) for one in some}
        if asked:
            _, late = await asyncio.wait(asked.values(), timeout=within)
            await let_go(*late)
        done = ((one, task.result()) for one, task in asked.items() if not task.cancelled())
        return {one: answer for one, answer in done if answer is not None}

    # Their life

    async def start(self, sockets: Sequence[Sequence[socket]]) -> None:
        """Start all processes, each with its `sockets`; they begin to serve when they are greeted."""
        for place, own in zip(self._places, sockets, strict=True):
            place.sockets = own
            place.worker = await self._spawn(place)

    async def serve(self) -> None:
        """Greet all and wait until each one serves; FacadeError when one cannot."""
        for place in self._places:
            for _ in range(_ATTEMPTS):
                one = place.worker or await self._spawn(place)
                self._greet()
                if await one.serves(_STARTING):
                    place.worker = one
                    break
                await one.ends(0)
                place.worker = None
                if one.problem is not None:
                    raise FacadeError(one.problem)
            else:
                raise FacadeError(
                    f"worker {place.number} ended {_ATTEMPTS} times before it served a request; the lines"
                    " above say why. Correct that, and start again."
                )
        self._served = True
        for place in self._places:
            if place.worker is not None and place.worker.ended:  # while others started
                self._later(self._succeed(place, place.worker))
        self._later(self._watch())

    def asked_to_roll(self) -> None:
        """Replace all, one after the other."""
        if self._served and not self._stopping:
            self._later(self._roll())

    def stay(self) -> None:
        """The supervisor is to end: who is asked to end meanwhile does so with the others, unreplaced."""
        self._last = True

    async def drain(self) -> None:
        """Have all finish what they have and end; who does not in time is killed."""
        self._stopping = True
        close_all([place.sockets for place in self._places])
        await let_go(*self._tasks)
        ending = [one for one in self._unburied if one.process.poll() is None]
        for one in ending:
            if one.state is State.SERVING:
                one.drain()
            elif one.state is State.STARTING:
                one.kill()
        await asyncio.gather(*(one.ends(self._ending) for one in ending))

    async def _roll(self) -> None:
        self._log.line("rolling", workers=len(self._places))
        for place in self._places:
            await self._replace(place, place.worker)
        self._log.line("rolled", workers=len(self._places))

    async def _replace(self, place: _Place, before: WorkerProcess | None) -> None:
        """The successor listens before its predecessor stops accepting, on the same socket."""
        async with self._one_by_one:
            if before is None or place.worker is not before or before.state is not State.SERVING:
                return  # dead meanwhile, and replaced anyway
            after = await self._start_successor(place)
            if after is None:
                self._log.line("worker_kept", worker=place.number, pid=before.process.pid)
                if before.ended:
                    self._later(self._succeed(place, before))
                return
            place.worker, place.deaths = after, 0
            self._numbers.restarts.add("asked")
            if before.state is State.SERVING:
                before.drain()
            await before.ends(self._ending)

    async def _succeed(self, place: _Place, dead: WorkerProcess) -> None:
        """Replace a worker that died, again and again until one serves."""
        why, code = "hung" if dead.hung else "died", await dead.bury()
        self._numbers.restarts.add(why)
        place.deaths, place.worker = deaths_in_a_row(place.deaths, dead.lived), None
        self._log.line("worker_ended", worker=place.number, pid=dead.process.pid, why=why, code=code)
        while place.worker is None:
            await asyncio.sleep(pause_after(place.deaths))
            place.worker = await self._start_successor(place)
            place.deaths += place.worker is None

    async def _start_successor(self, place: _Place) -> WorkerProcess | None:
        """One that serves in a place; None when it does not."""
        try:
            one = place.successor = await self._spawn(place)
        except OSError as error:  # no memory, no more processes: later, perhaps
            self._log.line("worker_not_started", worker=place.number, problem=str(error))
            return None
        self._greet()
        served = await one.serves(_STARTING)
        place.successor = None
        if served:
            self._log.line("worker_serves", worker=place.number, pid=one.process.pid)
            return one
        self._log.line("worker_not_started", worker=place.number, problem=one.problem or "it ended, or hangs")
        await one.ends(0)
        return None

    async def _spawn(self, place: _Place) -> WorkerProcess:
        process, end = spawn(place.number, place.sockets, self._env)
        one = WorkerProcess(place.number, process, self._numbers, self._ended, self._leave, self._on_writes)
        self._all.append(one)
        self._unburied = {each for each in self._unburied if each.process.returncode is None} | {one}
        await one.channel.attach(end)
        return one

    def _greet(self) -> None:
        for one in self._all:
            if not one.greeted and one.state is State.STARTING:
                one.greet(**self._greeting())

    def _leave(self, one: WorkerProcess) -> None:
        """Somebody sent it a SIGTERM."""
        if not self._stopping and one.state is State.SERVING:
            self._later(self._replace_alone(one))

    async def _replace_alone(self, one: WorkerProcess) -> None:
        """Replace who was asked to end, unless all of us were: service managers signal the whole group."""
        await asyncio.sleep(_TOGETHER)
        if not self._last:
            await self._replace(self._places[one.place], one)

    def _ended(self, one: WorkerProcess) -> None:
        self._all.remove(one)
        self._on_writes()  # those that it had on their way are nobody's any more
        place = self._places[one.place]
        if place.worker is one and self._served and not self._stopping and place.successor is None:
            self._later(self._succeed(place, one))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            now = time.monotonic()
            for one in list(self._all):
                if one.silence.look(now) > self._limits.hang and one.state is not State.STARTING:
                    self._log.line("worker_hangs", worker=one.place, pid=one.process.pid)
                    one.hung = True
                    one.kill()

    def _later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
