"""The servers: are they there, which build, is their clock right, whom do they take a client for?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx

from desk.doctor.check import Check, bad, ok, warn
from desk.programs import ADMIN_HOST, front
from migration.core.plan import Plan

TIMEOUT = 3.0  # seconds
SKEW = 5.0  # seconds: more than this and Date headers, caches and `since` times contradict each other
# From the block kept for documentation (RFC 5737): nobody's real address.
FORGED = "203.0.113.9"


@dataclass(frozen=True, slots=True)
class Server:
    """One server to look at."""

    name: str
    url: str
    build_header: str | None
    path: str


def servers(plan: Plan) -> tuple[Server, ...]:
    """The monolith and the services, with a route of theirs that has no parameters, where one exists."""
    legacy = Server("legacy", plan.legacy.url, plan.legacy.build_header, _plain_path(plan, None))
    return (
        legacy,
        *(
            Server(one.name, one.url, one.build_header, _plain_path(plan, one.name))
            for one in plan.services.values()
        ),
    )


def _plain_path(plan: Plan, service: str | None) -> str:
    fits = (
        route.template.text
        for route in plan.routes.values()
        if route.method == "GET"
        and service in (None, route.service)
        and all(segment.literal is not None for segment in route.template.segments)
    )
    return next(fits, "/")


async def examine(server: Server, client: httpx.AsyncClient, now: float) -> list[Check]:
    """Is it there, which build is it, is its clock right?"""
    try:
        answer = await client.get(server.url.rstrip("/") + server.path)
    except httpx.HTTPError as error:
        return [bad(server.name, f"{server.url} does not answer ({type(error).__name__})", _start(server))]
    checks = [_status(server, answer), _build(server, answer.headers)]
    clock = _clock(server, answer.headers, now)
    return [*checks, clock] if clock is not None else checks


def _start(server: Server) -> str:
    where = "url under [legacy]" if server.name == "legacy" else f"url under [services.{server.name}]"
    return f"start it, or correct {where} in the plan"


def _status(server: Server, answer: httpx.Response) -> Check:
    said = f"{server.url}{server.path} answers {answer.status_code}"
    return bad(server.name, said, "see its own log") if answer.status_code >= 500 else ok(server.name, said)


def _build(server: Server, headers: Mapping[str, str]) -> Check:
    name = f"{server.name} build"
    if server.build_header is None:
        cure = "name its header by build_header in the plan; without it READY is refused"
        return warn(name, "the plan names no build header", cure)
    found = headers.get(server.build_header)
    if not found:
        return bad(
            name, f"its answers carry no {server.build_header}", "let it send its build id in that header"
        )
    return ok(name, found)


def _clock(server: Server, headers: Mapping[str, str], now: float) -> Check | None:
    try:
        told = parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (ValueError, TypeError):
        return None
    skew = told - now
    name = f"{server.name} clock"
    if abs(skew) > SKEW:
        return warn(name, f"its Date is {skew:+.0f} s from ours", "keep both clocks by NTP")
    return ok(name, "agrees with ours")


async def facade_lives(plan: Plan, client: httpx.AsyncClient) -> bool:
    """Whether the plan's facade answers on its admin port."""
    try:
        answer = await client.get(f"http://{ADMIN_HOST}:{plan.facade.admin_port}/livez")
    except httpx.HTTPError:
        return False
    return answer.status_code < 500


async def client_address(plan: Plan, path: str) -> Check:
    """Does the monolith see the same client directly, through the facade, and behind a forged address?"""
    try:
        # Not from the facade's own address: a monolith that believes no proxy would look right.
        return await _compare_addresses(plan, path, "127.0.0.2")
    except httpx.HTTPError:
        pass  # macOS has one loopback address, and a facade elsewhere is not reached from it
    try:
        return await _compare_addresses(plan, path, None)
    except httpx.HTTPError as error:
        return bad(
            "client address", f"{path} could not be asked: {type(error).__name__}", "strangler up, then again"
        )


async def _compare_addresses(plan: Plan, path: str, source: str | None) -> Check:
    through_facade = f"{front(plan)}{path}"
    transport = httpx.AsyncHTTPTransport(local_address=source)
    async with httpx.AsyncClient(transport=transport, timeout=TIMEOUT, trust_env=False) as client:
        direct = await client.get(plan.legacy.url.rstrip("/") + path)
        through = await client.get(through_facade)
        forged = await client.get(
            through_facade, headers={"X-Forwarded-For": FORGED, "Forwarded": f"for={FORGED}"}
        )
    if (direct.status_code, direct.content) != (through.status_code, through.content):
        cure = (
            "let the monolith trust one more proxy (the sample: TRUSTED_HOPS=1), or set forwarded in the plan"
        )
        return bad("client address", f"{path} answers differently through the facade", cure)
    if forged.content != through.content:
        cure = "remove strange networks from trusted_proxies under [facade]"
        return bad("client address", f"{path} believes a forged X-Forwarded-For", cure)
    return ok(
        "client address", f"{path} answers the same directly, through the facade, and to a forged address"
    )
