"""The one place that picks adapters and ties them together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from facade.adapters.admin_aiohttp import AdminPages, AdminServer
from facade.adapters.listening import Listener, allow_many_files, listen
from facade.adapters.metrics_text import exposition
from facade.adapters.plan_watch import Signature, signature
from facade.adapters.pool_aiohttp import Pools
from facade.adapters.server_aiohttp import FacadeServer
from facade.adapters.state_file import StateFile
from facade.adapters.telling import Log, Telling, decision_line
from facade.after import After
from facade.core.decide import snapshot
from facade.following import Following
from facade.gauges import gauges
from facade.live import Live
from facade.process import Facade, project_of
from facade.proxy import Proxy
from facade.settings import Limits, read_limits
from migration.bootstrap import open_evaluator
from migration.core.plan import Plan
from migration.plan_file import load_plan
from migration.secret import admin_token, project_secret
from shadow.tap import TapSender


async def serve(plan_path: Path, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; PlanError on a bad plan, PortInUse when a port is taken."""
    env = dict(os.environ)
    limits = read_limits(env)
    seen = signature(plan_path)  # before the plan: a change while it is read is noticed afterwards
    plan = load_plan(plan_path, env)
    allow_many_files()
    async with contextlib.AsyncExitStack() as stack:
        facade = build(plan, plan_path, env, limits, seen)
        stack.push_async_callback(facade.end)
        await facade.start()
        listener = await _listen(facade, stack)
        await stop.wait()
        await facade.drain(listener)


def build(plan: Plan, plan_path: Path, env: Mapping[str, str], limits: Limits, seen: Signature) -> Facade:
    """All parts of a facade, none of them started."""
    log = Log()
    telling = Telling(log)
    secret = project_secret(plan.state_dir)
    saved = StateFile(Path(plan.state_dir) / "facade-state.json")
    states, seed = saved.load()
    tap = TapSender(plan.facade.tap, f"facade-{os.getpid()}")
    pools = Pools(connect_timeout=limits.connect, max_idle=limits.upstream_idle)
    first = snapshot(plan, states, {}, lambda _flag, _key: False)
    project = project_of(plan, secret)
    after = After(telling, tap)
    proxy = Proxy(first, project, limits, pools.get, telling, after, secrets.token_bytes)
    proxy.token = plan.facade.admin_token or admin_token(plan.state_dir)
    live = Live(plan, states, open_evaluator(), proxy.take)
    following = Following(live, saved, log, limits.ledger_poll)
    server = FacadeServer(proxy.handle, limits, plan.facade.max_connections, telling.parser_refused)
    parts = (telling, tap, pools, proxy, live, following, server)
    return Facade(plan, plan_path, env, limits, secret, seed, log, *parts, seen)


async def _listen(facade: Facade, stack: contextlib.AsyncExitStack) -> Listener:
    settings = facade.plan.facade
    pages = AdminPages(
        lambda: exposition([*facade.telling.metrics(), *gauges(facade)]),
        facade.readiness,
        lambda: [decision_line(what) for what in list(facade.telling.decisions)],
        lambda: facade.proxy.token,
    )
    admin = AdminServer(pages)
    port = await listen(admin.server, "127.0.0.1", settings.admin_port, "the admin port", "facade.admin_port")
    stack.push_async_callback(admin.server.shutdown, 0.1)
    stack.push_async_callback(port.close)
    listener = await listen(facade.server, settings.host, settings.port, "the facade", "facade.port")
    stack.push_async_callback(listener.close)
    facade.log.line("serving", port=listener.port, admin_port=port.port, routes=len(facade.plan.routes))
    return listener
