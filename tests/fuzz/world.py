"""The plan, peers and secret under which requests are understood: the least in which every rule applies."""

from __future__ import annotations

from facade.core.decide import Decision, RouteView, Snapshot, decide, snapshot
from facade.core.http1.forwarding import networks
from facade.core.http1.requests import RequestReader
from facade.core.incoming import Incoming, Project, understand
from facade.core.upstream import Upstream
from migration.core.effective import RouteState
from migration.core.flags import Intent
from migration.core.plan import (
    EvidenceSettings,
    FacadeSettings,
    FlagSettings,
    KeySource,
    LedgerSettings,
    Legacy,
    Plan,
    Route,
    Service,
    Side,
    Slice,
)
from migration.core.stages import ReadStage
from migration.core.template import Template
from shadow.tap import shadow_token

SECRET = b"fuzz" * 8
OUTSIDER, INSIDER = "192.0.2.7", "10.1.2.3"
IDENT = "ours-0001"
SHADOW_TOKEN = shadow_token(SECRET, "r1").encode()
VIA = "strangler-fuzz"
PROJECT = Project(SECRET, VIA, networks(["10.0.0.0/8"]))
MORE_METHODS = ("PROPFIND", "SEARCH", "LOCK")


def _route(name: str, match: str, **more: object) -> Route:
    method, _, template = match.partition(" ")
    values = {"mirror": True, "service": "catalog", **more}
    return Route("catalog", name, method, Template.parse(template), **values)  # type: ignore[arg-type]


_ROUTES = (
    _route("show", "GET /p/{id:int}", shared_cache=True),
    _route("list", "GET /p"),
    _route("inside", "GET /internal/{rest:path}", visibility="internal"),
    _route("socket", "GET /ws/{rest:path}", websocket=True),
)
PLAN = Plan(
    path="plan.toml",
    hash="h",
    legacy=Legacy("http://legacy.test:5001"),
    services={"catalog": Service("catalog", "http://catalog.test:5002")},
    key=KeySource("mint", "sf_key"),
    flags=FlagSettings("file", "flags.json"),
    ledger=LedgerSettings("sqlite:///x"),
    evidence=EvidenceSettings("sqlite:///x"),
    facade=FacadeSettings(max_request_body=1 << 20, methods=MORE_METHODS),
    slices={"catalog": Slice("catalog", "team", "catalog", "import", _ROUTES)},
)
SNAPSHOT: Snapshot = snapshot(
    PLAN,
    {"catalog.show": RouteState("catalog.show", ReadStage.CANARY, 50, 50, 50)},
    {"catalog.show": Intent(50, 50, known=True, shadow_known=True)},
    lambda _flag, _key: True,
)
UPSTREAMS = (
    Upstream("legacy", Side.LEGACY, "http://legacy.test:5001", 1.0),
    Upstream("legacy", Side.LEGACY, "http://legacy.test:5001", 1.0, sets_host=True, hops=0),
    Upstream("catalog", Side.EXTRACTED, "http://catalog.test:5002", 1.0, hops=3),
    Upstream("legacy", Side.LEGACY, "http://legacy.test:5001", 1.0, preserve=True),
)


def decided(request: Incoming) -> Decision:
    """The decision on it."""
    return decide(SNAPSHOT, request, "2026-01-01")


def asked(method: str) -> Incoming:
    """A request without anything special, for answers to answer."""
    reader = RequestReader()
    reader.receive(f"{method} /p/1 HTTP/1.1\r\nHost: shop.test\r\n\r\n".encode())
    head = reader.next_head()
    assert head is not None
    return understand(head, OUTSIDER, PLAN, PROJECT, IDENT)


def in_canary() -> Decision:
    """The decision under which an answer is changed most."""
    state = RouteState("catalog.show", ReadStage.CANARY, 50, 50)
    view = RouteView(PLAN, PLAN.routes["catalog.show"], state, None)
    return Decision(view, Side.LEGACY, "canary", two_sides=True)
