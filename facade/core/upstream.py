"""The backends of a plan, as the request path knows them."""

from __future__ import annotations

from dataclasses import dataclass

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
        sets_host = legacy.host == "set"
        return Upstream("legacy", side, legacy.url, legacy.timeout, sets_host, legacy.trusted_hops, preserve)
    service = plan.services[route.service]
    timeout = route.timeout if route.timeout is not None else service.timeout
    return Upstream(service.name, side, service.url, timeout, service.host == "set")
