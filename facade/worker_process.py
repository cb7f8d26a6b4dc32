"""One worker process as its supervisor sees it: what it was told, what it said, and whether it lives."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from facade.adapters.control import Channel, Message
from facade.adapters.numbers import Numbers
from facade.core.workers import Silence

_BURIAL = 2.0  # seconds from the end of its channel to the end of its process, before it is killed
_MOST_OF_A_GAP = 0.5  # seconds; twice the rhythm in which workers and supervisor look at each other


class State(StrEnum):
    """Where a worker is in its life."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    ENDED = "ended"


class WorkerProcess:
    """A worker: `place` is the number of the listening socket that it serves."""

    def __init__(
        self,
        place: int,
        process: subprocess.Popen[bytes],
        numbers: Numbers,
        on_end: Callable[[WorkerProcess], None],
        on_leave: Callable[[WorkerProcess], None],
        on_writes: Callable[[], None],
    ) -> None:
        """`numbers` grow by what it counts; `on_end` hears of its end, `on_leave` that it was asked to.

        `on_writes` hears that `writes` changed: of each slice the row that it took, and its writes under way.
        """
        self.place, self.process = place, process
        self.channel = Channel(self._hear, self._gone)
        self.state = State.STARTING
        self.plan: str | None = None
        self.problem: str | None = None
        self.greeted = self.hung = False
        self.report: dict[str, Any] = {}
        self.served_at: float | None = None
        self.silence = Silence(time.monotonic(), _MOST_OF_A_GAP)
        self.writes: dict[str, tuple[int, int]] = {}
        self._numbers, self._on_end, self._on_leave = numbers, on_end, on_leave
        self._on_writes = on_writes
        self._sent = self._took = 0
        self._asked: dict[int, asyncio.Future[Message | None]] = {}
        self._settled = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def behind(self) -> int:
        """How many changes it was told and has not taken yet."""
        return self._sent - self._took

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self._ended.is_set()

    @property
    def lived(self) -> float:
        """Seconds of service; 0 when it never served."""
        return 0.0 if self.served_at is None else time.monotonic() - self.served_at

    def greet(self, **content: Any) -> None:
        """Tell it all that it needs to serve."""
        self.greeted = True
        self.tell("begin", **content)

    def tell(self, kind: str, **content: Any) -> None:
        """Tell it of a change; it says when it has taken it."""
        self._sent += 1
        self.channel.send(kind, n=self._sent, **content)

    def remark(self, kind: str, **content: Any) -> None:
        """Tell it what is told again soon: not at all while it has not read what came before."""
        if not self.channel.behind:
            self.channel.send(kind, **content)

    async def ask(self, kind: str, **content: Any) -> Message | None:
        """Its answer; None when it ends first."""
        if self.ended:
            return None
        self._sent += 1
        number = self._sent
        answer: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        self.channel.send(kind, n=number, **content)
        try:
            return await answer
        finally:
            self._asked.pop(number, None)

    async def serves(self, within: float) -> bool:
        """Whether it serves, waiting for `within` seconds at most."""
        try:
            async with asyncio.timeout(within):
                await self._settled.wait()
        except TimeoutError:
            return False
        return self.state is State.SERVING

    async def ends(self, within: float) -> None:
        """Wait for its end; after `within` seconds bring it about."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._ended.wait()
        if not self._ended.is_set():
            self.kill()
        await self.bury()

    def drain(self) -> None:
        """Have it finish what it has, and end."""
        self.state = State.DRAINING
        self.channel.send("drain")

    def kill(self) -> None:
        """SIGKILL."""
        if self.process.poll() is None:
            self.process.kill()

    async def bury(self) -> int:
        """Wait for the end of the process, whose channel has ended; its exit code."""
        deadline = time.monotonic() + _BURIAL
        while (code := self.process.poll()) is None:  # polled: no thread per child, no signal of ours
            if time.monotonic() > deadline:
                self.kill()
            await asyncio.sleep(0.01)
        return code

    def _hear(self, message: Message) -> None:
        self.silence.heard()
        number = message.get("n", 0)
        self._took = max(self._took, number)
        match message["kind"]:
            case "serving":
                self.state, self.plan, self.served_at = State.SERVING, message["plan"], time.monotonic()
                self._settled.set()
            case "refused" if number == 1:
                self.problem = message["problem"]
            case "took" if "plan" in message:
                self.plan = message["plan"]
            case "numbers":
                self._numbers.grow(message["changes"])
                self.report = message["report"]
            case "writes":
                self.writes[message["slice"]] = (message["version"], message["in_flight"])
                self._on_writes()
            case "leave":
                self._on_leave(self)
        if number in self._asked and not self._asked[number].done():
            self._asked[number].set_result(message)

    def _gone(self) -> None:
        self.state = State.ENDED
        self._settled.set()
        self._ended.set()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_result(None)
        self._on_end(self)
