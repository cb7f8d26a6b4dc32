"""`python -m facade.worker`: one worker. Its supervisor starts it, tells it all, and hears its counts.

It ends when its supervisor tells it to, or is gone: nobody else replaces it, and no orphan keeps the port.
"""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import signal
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from socket import socket
from typing import Any, NoReturn

import uvloop

from facade.adapters.control import Channel, Message
from facade.adapters.decisions_log import SETTING, DecisionsLog
from facade.adapters.log import Log
from facade.adapters.metrics_text import flattened
from facade.adapters.pool import Pools
from facade.adapters.server import FacadeServer
from facade.adapters.spawning import hear_signals
from facade.adapters.state_file import slices_of, states_of
from facade.adapters.telling import Telling, decision_line
from facade.after import After
from facade.background import let_go
from facade.core.decide import snapshot
from facade.core.workers import share_of
from facade.errors import FacadeError
from facade.gauges import report
from facade.leaving import leave
from facade.live import Live
from facade.process import Facade, ToldFlags, identities_of, project_of
from facade.proxy import Proxy
from facade.settings import read_limits
from migration.bootstrap import open_evaluator
from migration.core.flags import FlagState
from migration.core.plan import Plan
from migration.errors import MigrationError
from migration.plan_file import plan_of_texts
from migration.secret import admin_token, project_secret
from shadow.tap import TapSender

_COULD_NOT_RUN, _INTERRUPTED = 3, 130
_EVERY = 0.25  # seconds between two reports, which are the worker's heartbeat
_LINES = 200  # decisions that are formatted before requests get their turn: a quarter of a millisecond


class Worker:
    """One worker: what it is told becomes the facade's state, and what that counts is told."""

    def __init__(self, place: int, sockets: Sequence[socket]) -> None:
        """`place` is its number among the workers."""
        self._place, self._sockets = place, sockets
        self._channel = Channel(self._hear, self._gone)
        self._facade: Facade | None = None
        self._workers = 1
        self._read: dict[str, Plan] = {}
        self._leaving = asyncio.Event()
        self._refused = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, end: socket) -> int:
        """Serve until it is told to leave; the exit code."""
        self._listen_to_signals()
        await self._channel.attach(end)
        self._later(self._beat())
        await self._leaving.wait()
        if self._facade is not None:
            await self._facade.drain()
            await self._facade.end()
        await let_go(*self._tasks)
        self._push()
        await self._channel.close()
        return _COULD_NOT_RUN if self._refused else 0

    def _hear(self, message: Message) -> None:
        number = message.get("n", 0)
        try:
            if self._facade is None:
                self._begin(message)
            else:
                self._change(self._facade, message, number)
        except Exception as error:  # noqa: BLE001 - whatever it is, the supervisor is told, and users are served
            self._refuse(number, error)

    def _begin(self, told: Message) -> None:
        if told["kind"] != "begin":
            self._leaving.set()  # told to leave before there was anything to leave
            return
        self._workers = told["workers"]
        plan = share_of(plan_of_texts(Path(told["path"]), told["texts"], os.environ), self._workers)
        facade = build(self._place, plan, told)
        facade.proxy.writes.report = self._tell_writes
        facade.take_slices(slices_of(told["slices"]), ledger_read=told["ledger_read"])
        for document in told["flags"]:
            facade.live.set_flags(FlagState.from_features(document, told["fetched_at"]))
        facade.live.rebuild()
        _tune_collector()
        facade.serve(self._sockets)
        self._facade = facade
        self._channel.send("serving", n=told["n"], plan=plan.hash)

    def _change(self, facade: Facade, message: Message, number: int) -> None:
        match message["kind"]:
            case "plan":
                self._later(self._read_plan(facade, message["texts"], number))
            case "push":
                self._push(number)
            case "decisions":
                self._later(self._tell_decisions(facade, number))
            case "drain":
                self._leaving.set()
            case kind:
                self._take(facade, kind, message)
                self._channel.send("took", n=number, plan=facade.plan.hash)

    def _take(self, facade: Facade, kind: str, message: Message) -> None:
        match kind:
            case "rows":
                facade.take_rows(states_of(message["rows"]).values(), message["gone"])
            case "slices":
                facade.take_slices(slices_of(message["rows"]), ledger_read=message["ledger_read"])
            case "flags":
                facade.take_flags(message["document"], message["fetched_at"])
            case "fetched":
                facade.take_age(message["at"])
            case "take":
                texts = message.get("texts")
                facade.take(self._read[message["plan"]] if texts is None else self._plan(facade, texts))

    def _refuse(self, number: int, error: Exception) -> None:
        known = isinstance(error, MigrationError | FacadeError | OSError)
        self._channel.send("refused", n=number, problem=str(error) if known else repr(error))
        if self._facade is None:
            self._refused = True
            self._leaving.set()
        elif not known:
            self._facade.telling.broken(error)

    def _plan(self, facade: Facade, texts: Sequence[Sequence[str]]) -> Plan:
        return share_of(plan_of_texts(Path(facade.plan.path), texts, os.environ), self._workers)

    async def _read_plan(self, facade: Facade, texts: Sequence[Sequence[str]], number: int) -> None:
        """Beside the loop: a plan of thousands of routes takes a while."""
        try:
            plan = await asyncio.to_thread(self._plan, facade, texts)
        except MigrationError as error:
            self._refuse(number, error)
            return
        self._read = {plan.hash: plan}
        self._channel.send("took", n=number)

    async def _tell_decisions(self, facade: Facade, number: int) -> None:
        lines = []
        for at, what in list(facade.telling.decisions):
            lines.append((at, decision_line(what)))
            if len(lines) % _LINES == 0:
                await asyncio.sleep(0)
        self._channel.send("decisions", n=number, lines=lines)

    def _tell_writes(self, name: str, version: int, in_flight: int) -> None:
        """Whoever flips waits for this."""
        self._channel.send("writes", slice=name, version=version, in_flight=in_flight)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            if self._facade is not None:
                self._facade.live.check_age()
            if not self._channel.behind:  # a supervisor that stands still gets all in one later
                self._push()

    def _push(self, number: int = 0) -> None:
        facade = self._facade
        if facade is None:
            return
        numbers = facade.telling.numbers
        for (upstream, _), pool in facade.pools.pools.items():
            numbers.opened.reached(pool.opened, upstream)
        for labels, count in flattened(facade.tap.totals()):
            numbers.tapped.reached(count, *labels)
        self._channel.send("numbers", n=number, changes=numbers.changes(), report=report(facade))

    def _gone(self) -> None:
        if not self._leaving.is_set():
            Log(worker=self._place).line("supervisor_gone")
            self._leaving.set()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._asked_to_end)
        loop.add_signal_handler(signal.SIGINT, self._interrupted)
        hear_signals()

    def _asked_to_end(self) -> None:
        """The supervisor decides: it starts a successor first, or ends itself."""
        if self._facade is None:
            self._leaving.set()
        self._channel.send("leave")

    def _interrupted(self) -> None:
        """Ctrl-C reaches the whole group: once means the supervisor, twice means now."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, os._exit, _INTERRUPTED)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def build(place: int, plan: Plan, told: Message) -> Facade:
    """All parts of a worker's facade, none of them started."""
    env = os.environ
    limits, log = read_limits(env), Log(worker=place)
    limits = replace(limits, copies_bytes=limits.copies_bytes / told["workers"])
    limits = replace(limits, waiting_bytes=limits.waiting_bytes / told["workers"])
    telling = Telling(log)
    decisions = None
    if path := env.get(SETTING):
        decisions = DecisionsLog(Path(path), telling.numbers.unlogged, log)
        telling.decided = decisions.take
    secret = project_secret(plan.state_dir)
    states = states_of(told["rows"])
    tap = TapSender(plan.facade.tap, f"facade-{os.getpid()}")
    pools = Pools(connect_timeout=limits.connect, max_idle=limits.upstream_idle)
    first = snapshot(plan, states, {}, lambda _flag, _key: False)
    after = After(telling, tap)
    proxy = Proxy(first, project_of(plan, secret), limits, pools.get, telling, after, secrets.token_bytes)
    proxy.token = plan.facade.admin_token or admin_token(plan.state_dir)
    proxy.identify(identities_of(plan, pools, telling))
    live = Live(plan, states, open_evaluator(), proxy.take)
    flags = ToldFlags(plan.flags.stale_after, told["fetched_at"])
    live.follow(flags)
    refused, most = telling.parser_refused, plan.facade.max_connections
    server = FacadeServer(proxy.handle, limits, most, refused, telling.broken)
    return Facade(plan, limits, secret, log, telling, decisions, tap, pools, proxy, live, flags, server)


def _tune_collector() -> None:
    """Collect what a request leaves behind less often (measured: p99 from 7.9 to 2.9 ms)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def main(arguments: Sequence[str]) -> int:
    """Run as the worker of a place, on a channel and listening sockets that were inherited."""
    for number in (signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)  # the supervisor's, which a whole group may get
    place, channel, *listeners = map(int, arguments)
    sockets = [socket(fileno=handle) for handle in listeners]
    return uvloop.run(_live(Worker(place, sockets), socket(fileno=channel)))


async def _live(worker: Worker, channel: socket) -> NoReturn:
    leave(await worker.run(channel))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
