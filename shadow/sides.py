"""Both sides of a route as the comparison needs them: who is asked, and which build answered."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from migration.core.plan import Plan, Route
from shadow.core.headers import Headers, first
from shadow.ports import Side

_LONGEST_BUILD = 120  # characters


@dataclass(frozen=True, slots=True)
class Upstream:
    """One side of a route."""

    side: Side
    name: str  # "legacy", or the service's name
    url: str
    timeout: float
    build_header: str | None
    host: str | None  # sent instead of the user's; None: preserve it


def sides_of(plan: Plan, route: Route) -> tuple[Upstream, Upstream]:
    """Legacy and extracted of a route."""
    legacy, service = plan.legacy, plan.services[route.service]
    return (
        Upstream(
            "legacy",
            "legacy",
            legacy.url,
            legacy.timeout,
            legacy.build_header,
            _host(legacy.host, legacy.url),
        ),
        Upstream(
            "extracted",
            service.name,
            service.url,
            route.timeout or service.timeout,
            service.build_header,
            _host(service.host, service.url),
        ),
    )


def _host(policy: str, url: str) -> str | None:
    return urlsplit(url).netloc if policy == "set" else None


class Builds:
    """The build each side told last: an answer that tells none (a timeout, an error page) is of that one."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._last: dict[str, str] = {}

    def of(self, upstream: Upstream, headers: Headers) -> str:
        """The build of the side that answered with these headers; "" when it never told one."""
        if upstream.build_header is None:
            return ""
        told = first(headers, upstream.build_header)
        if told:
            self._last[upstream.name] = told[:_LONGEST_BUILD]
        return self._last.get(upstream.name, "")
