"""The one place that picks the supervisor's parts and ties them together; a worker's is `facade.worker`."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from facade.adapters.admin_aiohttp import AdminPages, AdminServer
from facade.adapters.listening import allow_many_files, close_all, listen, open_shared
from facade.adapters.log import Log
from facade.adapters.metrics_text import exposition
from facade.adapters.plan_watch import signature
from facade.adapters.state_file import StateFile
from facade.background import let_go
from facade.core.decide import snapshot
from facade.following import Following
from facade.gauges import gauges
from facade.live import Live
from facade.settings import read_limits
from facade.supervisor import Source, Supervisor, Told
from facade.workers import Workers
from migration.bootstrap import open_evaluator
from migration.core.flags import FlagState
from migration.core.plan import Plan
from migration.plan_file import load_with_texts
from migration.secret import admin_token, project_secret


async def serve(plan_path: Path, stop: asyncio.Event, workers: int = 1) -> None:
    """Serve until `stop` is set; PlanError on a bad plan, PortInUse when a port is taken."""
    env = dict(os.environ)
    limits = read_limits(env)
    seen = signature(plan_path)  # before the plan: a change while it is read is noticed afterwards
    source = Source(*load_with_texts(plan_path, env))
    settings = source.plan.facade
    allow_many_files()
    async with contextlib.AsyncExitStack() as stack:
        log = Log()
        supervisor = Supervisor(source, plan_path, env, limits, log, seen)
        seed = _equip(supervisor, workers)
        admin_port = await _admin(supervisor, stack)
        sockets = open_shared(settings.host, settings.port, workers)
        stack.callback(close_all, sockets)
        stack.push_async_callback(supervisor.end)
        if await _started(supervisor, supervisor.start(sockets, seed), stop):
            port, routes = sockets[0][0].getsockname()[1], len(source.plan.routes)
            log.line("serving", port=port, admin_port=admin_port, routes=routes, workers=workers)
            await stop.wait()
        await supervisor.drain()


def _equip(supervisor: Supervisor, workers: int) -> FlagState | None:
    """Give the supervisor its parts, none of them started; the flags that were known before, if any."""
    plan, limits, log = supervisor.plan, supervisor.limits, supervisor.log
    project_secret(plan.state_dir)  # made here once, before workers that start together look for it
    saved = StateFile(Path(plan.state_dir) / "facade-state.json")
    states, slices, seed = saved.load()
    supervisor.take(snapshot(plan, states, {}, lambda _flag, _key: False))
    supervisor.live = Live(plan, states, open_evaluator(), supervisor.take, slices)
    told = Told(lambda: supervisor.workers, supervisor.sit)
    supervisor.following = Following(supervisor.live, saved, log, limits.ledger_poll, told)
    numbers, env = supervisor.numbers, supervisor.env
    supervisor.workers = Workers(workers, env, limits, log, numbers, supervisor.greeting, supervisor.sit)
    return seed


async def _started(supervisor: Supervisor, start: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Start; False when it was told to stop before all served."""
    starting = asyncio.ensure_future(start)
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
    served = starting.done()
    await let_go(stopped, *(() if served else (starting,)))
    if served:
        try:
            await starting
        except BaseException:
            await supervisor.workers.drain()
            raise
    return served


def _public_keys(plan: Plan) -> bytes | None:
    if plan.identity is None:
        return None
    from facade.adapters.identity_keys import published_keys

    return published_keys(plan.state_dir)


async def _admin(supervisor: Supervisor, stack: contextlib.AsyncExitStack) -> int:
    async def metrics() -> bytes:
        await supervisor.refresh()
        return await exposition([*supervisor.numbers.metrics(), *gauges(supervisor)])

    plan = supervisor.plan
    token = plan.facade.admin_token or admin_token(plan.state_dir)
    pages = AdminPages(
        metrics,
        supervisor.readiness,
        supervisor.decisions,
        lambda: supervisor.plan.facade.admin_token or token,
        lambda: _public_keys(supervisor.plan),
    )
    server = AdminServer(pages).server
    port = await listen(server, "127.0.0.1", plan.facade.admin_port, "the admin port", "facade.admin_port")
    stack.push_async_callback(server.shutdown, 0.1)
    stack.callback(port.close)
    return int(port.sockets[0].getsockname()[1])
