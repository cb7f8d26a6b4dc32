"""What an upstream is sent for a request: the cleaned headers, as this side shall see them, and ours."""

from __future__ import annotations

from dataclasses import dataclass

from facade.core.caching import CONDITIONAL, conditions_for, range_side, ranges_for
from facade.core.forwarded import forwarding_headers
from facade.core.headers import Header, values, without
from facade.core.host import own_name
from facade.core.incoming import Incoming
from migration.core.plan import Plan, Route, Side


@dataclass(frozen=True, slots=True)
class Upstream:
    """One backend as the plan describes it; `timeout` seconds until its first byte."""

    name: str
    side: Side
    url: str
    timeout: float
    sets_host: bool = False
    hops: int = 1
    preserve: bool = False


def upstream_of(plan: Plan, route: Route | None, side: Side) -> Upstream:
    """The backend that answers for `side`."""
    if side is Side.LEGACY or route is None:
        legacy = plan.legacy
        preserve = legacy.forwarded == "preserve"
        return Upstream(
            "legacy",
            Side.LEGACY,
            legacy.url,
            legacy.timeout,
            legacy.host == "set",
            legacy.trusted_hops,
            preserve,
        )
    service = plan.services[route.service]
    timeout = route.timeout if route.timeout is not None else service.timeout
    return Upstream(service.name, Side.EXTRACTED, service.url, timeout, service.host == "set")


def forwarded_request(
    incoming: Incoming, to: Upstream, *, planned: bool, two_sides: bool, via: str, shadow: bool = False
) -> list[Header]:
    """The headers for `to`; `planned`: for a route of the plan, whose validators may carry our tags."""
    asked = incoming.headers
    headers: list[Header] = asked
    if planned and any(values(asked, name) for name in CONDITIONAL):
        headers = _ranged(conditions_for(asked, to.side, two_sides=two_sides), to.side, two_sides=two_sides)
    if to.sets_host or not incoming.host:
        headers = [(b"Host", own_name(to.url)), *without(headers, b"host")]
    headers = [*without(headers, b"x-request-id"), (b"X-Request-Id", incoming.id.encode())]
    headers += forwarding_headers(
        client=incoming.client,
        peer=incoming.peer,
        scheme=incoming.scheme,
        host=incoming.host,
        forwarding=incoming.clean.forwarding,
        hops=to.hops,
        preserve=to.preserve,
    )
    if shadow and incoming.clean.shadow is not None:
        headers.append((b"X-Shadow", incoming.clean.shadow))
    headers.append((b"Via", b"1.1 " + via.encode()))
    return headers


def _ranged(headers: list[Header], side: Side, *, two_sides: bool) -> list[Header]:
    """With one side answering an untagged Range means that side's bytes; with two it could mean either's."""
    return ranges_for(headers, side) if two_sides or range_side(headers) is not None else headers
