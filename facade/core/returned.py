"""The answer as the client gets it: the upstream's, but for what two sides and a facade make necessary."""

from __future__ import annotations

from facade.core.caching import made_private, shared_cache_may_keep, tagged
from facade.core.decide import Decision
from facade.core.forward import Upstream
from facade.core.headers import Header, Headers
from facade.core.host import own_name, turned_back
from facade.core.incoming import Incoming
from facade.core.key import is_navigation
from facade.core.outgoing import answer_headers
from migration.core.plan import Plan


def returned_headers(
    status: int, headers: Headers, incoming: Incoming, decision: Decision, by: Upstream, via: str
) -> list[Header]:
    """The headers for the client, without framing."""
    result = answer_headers(status, headers, via.encode())
    if by.sets_host and incoming.host:
        result = turned_back(result, own_name(by.url), incoming.scheme, incoming.host)
    if decision.two_sides:
        result = tagged(result, by.side)
        if decision.route is not None and decision.route.shared_cache:
            result = made_private(result)
    return result


def mints(plan: Plan, incoming: Incoming, status: int, headers: Headers) -> bool:
    """Whether this answer hands out a sticky key: on a navigation, and never where a cache may keep it."""
    return (
        plan.key.kind == "mint"
        and incoming.key is None
        and is_navigation(incoming.method, incoming.headers)
        and not shared_cache_may_keep(status, headers)
    )


def decision_headers(decision: Decision, by: Upstream, why: str) -> list[Header]:
    """Why this side answered, for bearers of the admin token alone."""
    route = decision.route
    return [
        (b"X-Strangler-Side", by.side.value.encode()),
        (b"X-Strangler-Route", (route.id if route is not None else "-").encode()),
        (b"X-Strangler-Why", why.encode("ascii", "replace")),
    ]
