"""The supervisor: it reads plan, ledger and flags for all workers, and tells of them on the admin port.

No request of a user passes here, so nothing here can slow one down; and a worker goes on with what it knows
while nobody tells it anything new.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Any

from facade.adapters.log import Log
from facade.adapters.numbers import Numbers
from facade.adapters.plan_watch import Signature, signature
from facade.adapters.telling import KEPT
from facade.background import for_ever, let_go
from facade.core.decide import Snapshot
from facade.core.writes import SYNC, known_states
from facade.following import Following
from facade.live import Live
from facade.settings import Limits
from facade.worker_process import State, WorkerProcess
from facade.workers import Workers
from migration.core.effective import RouteState
from migration.core.flags import FlagState
from migration.core.plan import Plan
from migration.core.slice_state import SliceState
from migration.errors import MigrationError
from migration.plan_file import PlanTexts, load_with_texts

_FIRST_LOOK = 1.0  # seconds; a ledger or a flag source that is away is not waited for any longer
_FRESH = 0.3  # seconds that a page waits for workers' newest numbers
_TAKEN = 1.0  # seconds in which a worker takes a new plan; one that needs longer is not ready


@dataclass(frozen=True)
class Source:
    """The plan as it was read: every worker makes its own of the same texts."""

    plan: Plan
    texts: PlanTexts


class Told:
    """Tells the workers what changed; of the ledger's rows only those that did."""

    def __init__(self, workers: Callable[[], Workers], sit: Callable[[], None]) -> None:
        """`workers` are asked for at each change; `sit` says in the ledger what was taken of it."""
        self._workers, self._sit = workers, sit
        self._rows: Mapping[str, RouteState] = {}

    def rows(self, states: Mapping[str, RouteState]) -> None:
        """The ledger's rows are these now."""
        before, self._rows = self._rows, dict(states)
        changed = [row for route, row in states.items() if before.get(route) != row]
        gone = [route for route in before if route not in states]
        if changed or gone:
            self._workers().tell("rows", rows=changed, gone=gone)

    def slices(self, slices: Mapping[str, SliceState]) -> None:
        """The ledger's rows of slices are these now."""
        self._workers().tell("slices", rows=list(slices.values()), ledger_read=True)
        self._sit()

    def flags(self, state: FlagState) -> None:
        """The flags are these now."""
        self._workers().tell("flags", document=state.document, fetched_at=state.fetched_at)

    def fetched(self, at: float | None) -> None:
        """The flags were fetched again."""
        self._workers().remark("fetched", at=at)


class Supervisor:
    """A running facade; made by `facade.bootstrap`, which gives it `live`, `following` and `workers`."""

    live: Live
    following: Following
    workers: Workers
    now: Snapshot

    def __init__(
        self, source: Source, path: Path, env: Mapping[str, str], limits: Limits, log: Log, seen: Signature
    ) -> None:
        """`seen` is how the plan's files looked before `source` was read of them."""
        self.source, self.path, self.env, self.limits, self.log = source, path, env, limits, log
        self.numbers = Numbers()
        self.plan_problem: str | None = None
        self.draining = False
        self._seen = seen
        self._taken_at = time.monotonic()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def plan(self) -> Plan:
        """The plan that is served."""
        return self.source.plan

    def take(self, now: Snapshot) -> None:
        """What requests are decided on now, as /metrics shows it."""
        self.now = now

    def greeting(self) -> dict[str, Any]:
        """All that a worker needs to serve."""
        return {
            "workers": self.workers.count,
            "path": self.plan.path,
            "texts": self.source.texts,
            "rows": list(self.live.states.values()),
            "slices": list(self.live.slices.values()),
            "ledger_read": self.live.ledger_read,
            "flags": [state.document for state in self.following.flags],
            "fetched_at": self.following.fetched_at,
        }

    def sit(self) -> None:
        """Say in the ledger which rows of slices were taken, and how many of their writes are under way."""
        live = self.live
        if live.ledger_read:
            known = known_states(live.plan, live.slices, ledger_read=True)
            mine = {name: known[name] for name, part in live.plan.slices.items() if part.data == SYNC}
            in_flight = {
                name: self.workers.writes(name, row.version) for name, row in mine.items() if row.waits
            }
            self.following.seats.want(mine, in_flight)

    async def start(self, sockets: Sequence[Sequence[socket]], seed: FlagState | None) -> None:
        """Follow ledger, flags and the plan's files, start the workers, and wait until all of them serve.

        They are greeted after the first look, or the first requests after a restart would be answered from
        what was known before.
        """
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(signal.SIGHUP, asked.set)
            loop.add_signal_handler(signal.SIGUSR1, self.workers.asked_to_roll)
        await self.workers.start(sockets)
        self.following.follow_flags(self.plan.flags, seed)
        self.following.follow_ledger(self.plan.ledger.url)
        await self.following.first_look(_FIRST_LOOK)
        await self.workers.serve()
        for work in (lambda: self._reload_for_ever(asked), self.following.tick):
            self._tasks.append(asyncio.create_task(for_ever(work, self._broken)))

    async def drain(self) -> None:
        """Say that no more is taken, then have the workers finish what they have."""
        self.draining = True
        self.workers.stay()
        self.log.line("draining")
        await asyncio.sleep(self.limits.readiness_wait)
        await self.workers.drain()
        self.log.line("ended")

    async def end(self) -> None:
        """Let go of everything that was started."""
        await let_go(*self._tasks)
        await self.following.end()

    # The pages of the admin port

    def readiness(self) -> tuple[bool, Mapping[str, object]]:
        """Whether new requests are taken, and what is away though they are."""
        following, workers = self.following, self.workers
        late = time.monotonic() - self._taken_at > _TAKEN
        serving = [one for one in workers.all if one.state is State.SERVING]
        other = [one for one in serving if one.plan != self.plan.hash and late]
        ready = not self.draining and workers.complete and bool(serving) and not other
        return ready, {
            "pid": os.getpid(),
            "draining": self.draining,
            "plan": {"hash": self.plan.hash, "problem": self.plan_problem},
            "ledger": {
                "problem": following.ledger_problem, "age": following.ledger_age,
                "seats": following.seat_problem,
            },
            "slices": {
                name: {"authority": row.authority, "epoch": row.epoch, "phase": row.phase}
                for name, row in self.live.slices.items()
            },
            "flags": {"problem": following.flags_problem, "stale": following.flags_stale},
            "tap": {"connected": bool(serving) and all(map(_tapped, serving))},
            "workers": [
                {
                    "worker": one.place, "pid": one.process.pid, "state": one.state.value,
                    "plan": one.plan, "behind": one.behind,
                }
                for one in workers.all
            ],
        }  # fmt: skip

    async def refresh(self) -> None:
        """Have the workers tell their newest numbers."""
        await self.workers.ask("push", within=_FRESH)

    async def decisions(self) -> Sequence[str]:
        """The last decisions of all workers, oldest first."""
        answers = await self.workers.ask("decisions", within=_FRESH * 10)
        lines = sorted((at, line) for told in answers.values() for at, line in told["lines"])
        return [line for _, line in lines[-KEPT:]]

    # A new plan

    async def reload(self) -> None:
        """Take the plan as it is now, in all workers or none; a bad one changes nothing but what is told."""
        try:
            plan, texts = await asyncio.to_thread(load_with_texts, self.path, self.env)
            prepared = await self._prepare(texts)
        except MigrationError as error:
            self.plan_problem = str(error)
            self.numbers.reloads.add("refused")
            self.log.line("plan_refused", problem=str(error), kept=self.plan.hash)
            return
        await self._take(Source(plan, texts), prepared)
        self.numbers.reloads.add("taken")
        self.log.line("plan_taken", hash=plan.hash, routes=len(plan.routes))

    async def _prepare(self, texts: PlanTexts) -> Collection[WorkerProcess]:
        """Have every worker read the new plan; MigrationError when one of them cannot."""
        answers = await self.workers.ask("plan", texts=texts)
        for one, answer in answers.items():
            if "problem" in answer:
                raise MigrationError(f"worker {one.place} (pid {one.process.pid}): {answer['problem']}")
        return answers.keys()

    async def _take(self, source: Source, prepared: Collection[WorkerProcess]) -> None:
        before, plan = self.plan, source.plan
        self.source, self.plan_problem, self._taken_at = source, None, time.monotonic()
        taken = asyncio.gather(
            self.workers.ask("take", of=prepared, within=_TAKEN, plan=plan.hash),
            # Those that were greeted with the plan before, since the others were asked to read this one.
            self.workers.ask(
                "take", of=set(self.workers.all) - set(prepared), within=_TAKEN, texts=source.texts
            ),
        )
        self.live.set_plan(plan)
        self.sit()
        if plan.flags != before.flags:
            await self.following.unfollow_flags()
            self.following.follow_flags(plan.flags, None)
            self.workers.tell("fetched", at=None)
        if plan.ledger != before.ledger:
            self.following.follow_ledger(plan.ledger.url)
        await taken
        kept = ("host", "port", "admin_port", "tap")
        changed = [name for name in kept if getattr(plan.facade, name) != getattr(before.facade, name)]
        if changed:
            self.log.line("restart_needed", settings=changed)

    async def _reload_for_ever(self, asked: asyncio.Event) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.limits.reload_poll):
                    await asked.wait()
            by_signal = asked.is_set()
            asked.clear()
            now = await asyncio.to_thread(signature, self.path)
            if by_signal or now != self._seen:
                self._seen = now
                await self.reload()

    def _broken(self, error: Exception) -> None:
        self.numbers.defects.add()
        self.log.seldom("defect", "defect", error=repr(error)[:300])


def _tapped(one: Any) -> bool:
    return bool(one.report.get("tap_connected", [((), 0)])[0][1])
