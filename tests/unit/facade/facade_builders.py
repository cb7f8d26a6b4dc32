"""Builders for the unit tests of the request path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from facade.core.decide import Snapshot, snapshot
from facade.core.headers import Header
from facade.core.http1.fields import Noted, sort_answer, sort_request
from facade.core.http1.head import AnswerHead, RequestHead, parse_answer, parse_request
from facade.core.incoming import Incoming, Project, understand
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
from migration.core.slice_state import SliceState
from migration.core.stages import ReadStage, WriteStage
from migration.core.template import Template

SECRET = b"s" * 32
PROJECT = Project(SECRET, "strangler-me")
SHOW = "catalog.show"
RANDOM = bytes(range(16))
IDENT = "made-by-us"


def a_route(name: str, match: str, **changes: Any) -> Route:
    """A route of the slice `catalog`."""
    method, _, template = match.partition(" ")
    values = {"mirror": True, "service": "catalog", **changes}
    return Route("catalog", name, method, Template.parse(template), **values)


def a_plan(*routes: Route, **changes: Any) -> Plan:
    """A plan with these routes, by default one."""
    found = routes or (a_route("show", "GET /p/{id:int}"),)
    values: dict[str, Any] = {
        "path": "plan.toml",
        "hash": "h",
        "legacy": Legacy("http://legacy.local:5001"),
        "services": {"catalog": Service("catalog", "http://catalog.local:5002")},
        "key": KeySource("header", "x-key"),
        "flags": FlagSettings("file", "flags.json"),
        "ledger": LedgerSettings("sqlite:///x"),
        "evidence": EvidenceSettings("sqlite:///x"),
        "facade": FacadeSettings(),
        "slices": {"catalog": Slice("catalog", "team", "catalog", "import", tuple(found))},
    }
    return Plan(**(values | changes))


def a_snapshot(
    plan: Plan,
    states: Mapping[str, RouteState] | None = None,
    intents: Mapping[str, Intent] | None = None,
    evaluate: Callable[[str, str], bool] = lambda _flag, _key: True,
    slices: Mapping[str, SliceState] | None = None,
) -> Snapshot:
    """A snapshot of a plan."""
    return snapshot(plan, states or {}, intents or {}, evaluate, slices=slices or {})


def a_synced_plan(*more: Route, data: str = "sync", **changes: Any) -> Plan:
    """A slice with a write, a read, and a form's page that is paired with its write."""
    routes = (
        a_route("place", "POST /p", mirror=False),
        a_route("show", "GET /p/{id:int}"),
        a_route("form", "GET /form", pair="send"),
        a_route("send", "POST /form", mirror=False, pair="form"),
        *more,
    )
    part = Slice("catalog", "team", "catalog", data, routes)
    return a_plan(slices={"catalog": part}, **changes)


def a_row(side: Side = Side.LEGACY, **changes: Any) -> dict[str, SliceState]:
    stage = WriteStage.FLIPPED if side is Side.EXTRACTED else WriteStage.SYNC
    values: dict[str, Any] = {"slice": "catalog", "write_stage": stage, "authority": side, "epoch": 4}
    return {"catalog": SliceState(**(values | changes))}


def now(plan: Plan | None = None, slices: dict[str, SliceState] | None = None, **states: Any) -> Snapshot:
    known = a_row() if slices is None else slices
    return a_snapshot(plan or a_synced_plan(), states.get("states"), states.get("intents"), slices=known)


def at(stage: ReadStage, pct: int = 0, mirror: int = 0, route: str = SHOW) -> dict[str, RouteState]:
    """The ledger with one row."""
    return {route: RouteState(route, stage, pct, pct, mirror)}


def wants(rollout: int, shadow: int = 0, route: str = SHOW) -> dict[str, Intent]:
    """What the flags ask for one route."""
    return {route: Intent(rollout, shadow, known=True, shadow_known=True)}


def pairs(*lines: str) -> list[Header]:
    """Headers from `Name: value` lines."""
    split = (line.partition(": ") for line in lines)
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, _, value in split]


def noted(*lines: str) -> Noted:
    """What is noted of a request's `Name: value` lines."""
    return sort_request(pairs(*lines)).noted


def answered(*lines: str) -> Noted:
    """What is noted of an answer's `Name: value` lines."""
    return sort_answer(pairs(*lines)).noted


def raw_head(first_line: str, *lines: str) -> bytes:
    """The bytes of a head."""
    return "\r\n".join([first_line, *lines, "", ""]).encode("latin-1")


def a_head(*lines: str, method: str = "GET", target: str = "/p/1", version: str = "1.1") -> RequestHead:
    """A request's head as it was parsed."""
    return parse_request(raw_head(f"{method} {target} HTTP/{version}", *lines))


def an_answer(*lines: str, status: int = 200, method: str = "GET") -> AnswerHead:
    """An answer's head as it was parsed."""
    return parse_answer(raw_head(f"HTTP/1.1 {status} Whatever", *lines), method)


def a_request(
    *lines: str,
    method: str = "GET",
    target: str = "/p/1",
    plan: Plan | None = None,
    project: Project = PROJECT,
) -> Incoming:
    """A request that was understood."""
    head = a_head("Host: shop.test", *lines, method=method, target=target)
    return understand(head, "127.0.0.1", plan or a_plan(), project, IDENT)
