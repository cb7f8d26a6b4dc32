"""A worker's facade: how it serves, takes what the supervisor tells, drains and ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from socket import socket
from typing import Any

from facade.adapters.decisions_log import DecisionsLog
from facade.adapters.flask_session import FlaskSession
from facade.adapters.introspection import Introspection
from facade.adapters.listening import Acceptor
from facade.adapters.log import Log
from facade.adapters.pool import Pools
from facade.adapters.server import FacadeServer
from facade.adapters.telling import Telling
from facade.background import for_ever, let_go
from facade.core.http1.forwarding import networks
from facade.core.incoming import Project
from facade.core.trace import via_name
from facade.identity import Identities
from facade.live import Live
from facade.proxy import Proxy
from facade.settings import Limits
from migration.core.effective import RouteState
from migration.core.flags import FlagState
from migration.core.plan import Plan
from migration.core.slice_state import SliceState
from migration.secret import introspection_secret
from shadow.tap import TapSender

_TAP = 2.0  # seconds for the tap to send what it has
_LOOK = 0.02  # seconds between two looks at the connections that are left


def project_of(plan: Plan, secret: bytes) -> Project:
    """What requests are judged by, besides the snapshot."""
    session = plan.identity.cookie.encode() if plan.identity is not None else b""
    return Project(secret, via_name(secret), networks(plan.facade.trusted_proxies), session)


def identities_of(plan: Plan, pools: Pools, telling: Telling) -> Identities | None:
    """How services learn who is logged in; None where the plan has no `[identity]`."""
    settings = plan.identity
    if settings is None:
        return None
    # Imported here: OpenSSL takes a tenth of a second, and most plans can do without.
    from facade.adapters.identity_keys import Signer, publish

    signer = Signer(plan.state_dir)
    publish(plan.state_dir)
    ask = FlaskSession(settings, time.time).ask
    if settings.introspect is not None:
        secret, url = settings.secret or introspection_secret(plan.state_dir), plan.legacy.url
        ask = Introspection(lambda: pools.get("legacy", url), url, settings, secret).ask
    return Identities(settings, ask, signer, telling, asyncio.get_running_loop().time, time.time)


class ToldFlags:
    """The age of the flags, as the supervisor tells it: without it they grow stale by themselves."""

    state: FlagState | None = None  # what they say goes to Live at once

    def __init__(self, stale_after: float, fetched_at: float | None) -> None:
        """`stale_after` seconds; `fetched_at` UTC epoch seconds, None when they were never fetched."""
        self.stale_after, self.fetched_at = stale_after, fetched_at

    @property
    def stale(self) -> bool:
        """Whether they are too old to be believed."""
        return self.fetched_at is None or time.time() - self.fetched_at > self.stale_after


@dataclass
class Facade:
    """A worker's facade and all its parts; made by `facade.worker`."""

    plan: Plan
    limits: Limits
    secret: bytes
    log: Log
    telling: Telling
    decisions: DecisionsLog | None
    tap: TapSender
    pools: Pools
    proxy: Proxy
    live: Live
    flags: ToldFlags
    server: FacadeServer
    acceptor: Acceptor | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def serve(self, sockets: Sequence[socket]) -> None:
        """Accept from now on."""
        self.tasks.append(asyncio.create_task(for_ever(self.tap.run, self.telling.broken)))
        if self.decisions is not None:
            self.decisions.start()
        self.acceptor = Acceptor(self.server, sockets)

    def take_rows(self, changed: Iterable[RouteState], gone: Collection[str]) -> None:
        """Rows of the ledger changed."""
        rows = {**self.live.states, **{row.route: row for row in changed}}
        self.live.set_states({route: row for route, row in rows.items() if route not in gone})

    def take_slices(self, slices: Mapping[str, SliceState], *, ledger_read: bool) -> None:
        """The ledger's rows of slices changed."""
        self.live.set_slices(slices, ledger_read=ledger_read)

    def take_flags(self, document: Mapping[str, Any], fetched_at: float) -> None:
        """The flags changed."""
        self.flags.fetched_at = fetched_at
        self.live.set_flags(FlagState.from_features(document, fetched_at))

    def take_age(self, fetched_at: float | None) -> None:
        """The flags were fetched again, and are the same."""
        self.flags.fetched_at = fetched_at
        self.live.check_age()

    def take(self, plan: Plan) -> None:
        """Decide on this plan from the next request on."""
        before, self.plan = self.plan, plan
        self.flags.stale_after = plan.flags.stale_after
        self.proxy.project = project_of(plan, self.secret)
        self.proxy.token = plan.facade.admin_token or self.proxy.token
        self.server.max_connections = plan.facade.max_connections
        if (plan.identity, plan.legacy) != (before.identity, before.legacy):
            self.proxy.identify(identities_of(plan, self.pools, self.telling))
        self.live.set_plan(plan)
        services = ((service.name, service.url) for service in plan.services.values())
        self.pools.keep_only({("legacy", plan.legacy.url), *services})

    async def drain(self) -> None:
        """Take no new connection, tell those that are kept in an answer, finish what is in flight."""
        self.server.draining = True
        self.log.line("draining", in_flight=self.proxy.admission.in_flight)
        if self.acceptor is not None:
            await self.acceptor.close()
        # A client that just sends its next request on a kept connection would lose it in a close; asked
        # meanwhile, it gets its answer, and in it that this connection ends here.
        until = time.monotonic() + self.limits.last_answer
        while self.server.open and time.monotonic() < until:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(_LOOK)
        self.server.pre_shutdown()
        await self.server.shutdown(self.limits.drain)
        await self.tap.close(_TAP)

    async def end(self) -> None:
        """Let go of everything that was started."""
        await let_go(*self.tasks)
        if self.decisions is not None:
            await self.decisions.end()
        self.proxy.identify(None)
        self.pools.close()
