"""A shadow process in this event loop, with a real tap, a real candidate server and a store."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from migration.core.plan import (
    EvidenceSettings,
    FacadeSettings,
    FlagSettings,
    KeySource,
    LedgerSettings,
    Legacy,
    Plan,
    Route,
    Rule,
    Service,
    Slice,
)
from migration.core.template import Template
from shadow.bootstrap import serve
from shadow.core.report import RouteReport
from shadow.evidence import open_evidence, route_report
from shadow.tap import Exchange, TapSender

ROUTE = "catalog.show_product"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_plan(
    home: Path, service_url: str, *, evidence: str = "", rules: tuple[Rule, ...] = (), **route: Any
) -> Plan:
    """A plan with one mirrored route and limits for a test."""
    (home / "plan.toml").touch()
    shown = Route(
        "catalog", "show_product", "GET", Template.parse("/api/products/{id:int}"), "catalog",
        mirror=True, rules=rules, **route,
    )  # fmt: skip
    return Plan(
        path=str(home / "plan.toml"),
        hash="0" * 16,
        legacy=Legacy("http://127.0.0.1:9", build_header="X-Build"),
        services={"catalog": Service("catalog", service_url, timeout=5.0, build_header="X-Build")},
        key=KeySource(),
        flags=FlagSettings("file", str(home / "flags.json")),
        ledger=LedgerSettings(f"sqlite:///{home}/ledger.db"),
        evidence=EvidenceSettings(
            evidence or f"sqlite:///{home}/state/evidence.db",
            p0=0.01, session_idle=0.3, min_covered=0.0, demo=True,
        ),
        facade=FacadeSettings(tap=str(home / "state" / "tap.sock")),
        slices={"catalog": Slice("catalog", "team-catalog", "catalog", "import", (shown,))},
        state_dir=str(home / "state"),
    )  # fmt: skip


def exchange(number: int = 1, *, body: Any = None, **changes: Any) -> Exchange:
    """What a facade would tap of `GET /api/products/{number}`, answered by legacy."""
    content = {"id": number, "price": 19.99} if body is None else body
    made = Exchange(
        route=ROUTE,
        session_key=f"key-{number}",
        signed_key=True,
        method="GET",
        target=f"/api/products/{number}".encode(),
        request_headers=[(b"Host", b"shop.example"), (b"Accept", b"application/json")],
        request_body=b"",
        answered_by="legacy",
        status=200,
        response_headers=[(b"Content-Type", b"application/json"), (b"X-Build", b"legacy-1")],
        body=content if isinstance(content, bytes) else orjson.dumps(content),
        started_at=time.time(),
        elapsed_ms=3.0,
        fallback=False,
        request_id=f"request-{number}",
        trace=None,
    )
    return replace(made, **changes)


@dataclass
class Candidate:
    """A service whose answers a test decides; it keeps what it was asked."""

    answer: Callable[[web.Request], Awaitable[web.StreamResponse]]
    url: str = ""
    asked: list[web.Request] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self.answer(request)


def product(request: web.Request, **changes: Any) -> web.Response:
    """The product as legacy has it, with changes."""
    number = int(request.path.rsplit("/", 1)[1])
    return json_answer({"id": number, "price": 19.99} | changes)


def json_answer(value: Any, status: int = 200, build: str = "catalog-1") -> web.Response:
    return web.Response(
        body=orjson.dumps(value), status=status, content_type="application/json", headers={"X-Build": build}
    )


@contextlib.asynccontextmanager
async def candidate(answer: Handler) -> AsyncIterator[Candidate]:
    """A candidate on a free port."""
    service = Candidate(answer)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", service.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    service.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
    try:
        yield service
    finally:
        await site.stop()
        await asyncio.sleep(0.05)  # whom it has just let in it knows by then, and hangs up
        await runner.cleanup()


class Shadow:
    """The running process, seen from outside."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.said: list[str] = []
        self.stop = asyncio.Event()
        self.reload: Callable[[], Plan] = lambda: self.plan
        self.task = asyncio.ensure_future(serve(plan, self.stop, lambda: self.reload(), self.said.append))

    def report(self) -> RouteReport:
        store = open_evidence(self.plan.evidence.url)
        try:
            return route_report(store, self.plan, ROUTE, time.time())
        finally:
            store.close()

    async def until(self, holds: Callable[[RouteReport], bool], within: float = 60.0) -> RouteReport:
        """The first report for which `holds` is true."""
        deadline = time.monotonic() + within
        while True:
            report = await asyncio.to_thread(self.report)
            if holds(report):
                return report
            assert not self.task.done(), self.task.result()
            assert time.monotonic() < deadline, (report.traffic, report.verdict.sentences, self.said)
            await asyncio.sleep(0.05)

    async def end(self) -> None:
        self.stop.set()
        async with asyncio.timeout(15):
            await self.task

    async def die(self) -> None:
        """As a killed process does: nothing is drained, nothing written any more."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@contextlib.asynccontextmanager
async def shadow(plan: Plan) -> AsyncIterator[Shadow]:
    """A shadow process; ended at the end."""
    running = Shadow(plan)
    try:
        await eventually(lambda: Path(plan.facade.tap).exists() or running.task.done())
        yield running
    finally:
        if not running.task.done():
            await running.end()
        else:
            running.task.exception()


@contextlib.asynccontextmanager
async def sender(plan: Plan, **settings: Any) -> AsyncIterator[TapSender]:
    """The facade's end of the tap, connected."""
    tap = TapSender(plan.facade.tap, "facade-test", **settings)
    running = asyncio.ensure_future(tap.run())
    try:
        await eventually(lambda: tap.connected)
        yield tap
    finally:
        await tap.close(2.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def eventually(holds: Callable[[], bool], within: float = 60.0) -> None:
    """Wait until `holds()`."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.01)
