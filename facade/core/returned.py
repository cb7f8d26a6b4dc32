"""The answer as the client gets it: the upstream's, but for what two sides and a facade make necessary."""

from __future__ import annotations

from facade.core.caching import made_private, shared_cache_may_keep, tagged
from facade.core.decide import Decision
from facade.core.headers import Header, elements, fold
from facade.core.host import own_name, turned_back
from facade.core.http1.fields import Kind
from facade.core.http1.head import AnswerHead
from facade.core.identity import is_session_write, without_session
from facade.core.incoming import Incoming, Project
from facade.core.key import is_navigation
from facade.core.upstream import Upstream
from migration.core.plan import Plan, Side

_CONNECTION, _LENGTH, _ETAG, _CACHE_CONTROL, _SET_COOKIE = (
    int(kind) for kind in (Kind.CONNECTION, Kind.LENGTH_KEPT, Kind.ETAG, Kind.CACHE_CONTROL, Kind.SET_COOKIE)
)
_PRIVATE = (b"Cache-Control", b"private")
_SAID_OF_ITSELF = ([b"close"], [b"keep-alive"])


def returned_headers(
    head: AnswerHead, incoming: Incoming, decision: Decision, by: Upstream, project: Project
) -> list[Header]:
    """The headers for the client, without framing."""
    result: list[Header] = head.fields.kept
    noted = head.fields.noted
    if _CONNECTION in noted or _LENGTH in noted:
        result = passed_on(head)
    if project.session and by.side is not Side.LEGACY and _SET_COOKIE in noted:
        result = without_session(result, project.session)
    result = [*result, project.via_field]
    if by.sets_host and incoming.host:
        result = turned_back(result, own_name(by.url), incoming.scheme, incoming.host)
    if decision.two_sides:
        if _ETAG in noted:
            result = tagged(result, by.side)
        if decision.route is not None and decision.route.shared_cache:
            result = made_private(result) if _CACHE_CONTROL in noted else [*result, _PRIVATE]
    return result


def passed_on(head: AnswerHead) -> list[Header]:
    """The backend's fields without what Connection names, and with one length at most, where it stood.

    Equal lengths said twice are said once (RFC 9112, section 6.3); 204 may have none (RFC 9110, section 8.6).
    """
    headers: list[Header] = head.fields.kept
    noted = head.fields.noted
    named = elements(noted.get(_CONNECTION, ()))
    if named and named not in _SAID_OF_ITSELF:
        dropped = {name.replace(b"_", b"-") for name in named} - {b"content-length"}
        headers = [field for field in headers if fold(field[0]) not in dropped]
    length = noted.get(_LENGTH, ())
    if head.status == 204 and length:
        return [field for field in headers if field[0].lower() != b"content-length"]
    if len(length) > 1 or (length and length[0][:1] == b"0"):
        at = next(at for at, field in enumerate(headers) if field[0].lower() == b"content-length")
        rest = (field for field in headers[at + 1 :] if field[0].lower() != b"content-length")
        return [*headers[:at], (headers[at][0], b"%d" % int(length[0])), *rest]
    return headers


def writes_session(head: AnswerHead, by: Upstream, project: Project) -> bool:
    """Whether a service's answer writes the session cookie, which is the monolith's."""
    return (
        bool(project.session)
        and by.side is not Side.LEGACY
        and any(is_session_write(project.session, value) for value in set_cookies(head))
    )


def set_cookies(head: AnswerHead) -> list[bytes]:
    """The answer's Set-Cookie fields."""
    return head.fields.noted.get(_SET_COOKIE, [])


def mints(plan: Plan, incoming: Incoming, head: AnswerHead) -> bool:
    """Whether this answer hands out a sticky key: on a navigation, and never where a cache may keep it."""
    return (
        plan.key.kind == "mint"
        and incoming.key is None
        and is_navigation(incoming.method, incoming.headers)
        and not shared_cache_may_keep(head.status, head.fields.kept)
    )


def decision_headers(decision: Decision, by: Upstream, why: str) -> list[Header]:
    """Why this side answered, for bearers of the admin token alone."""
    route = decision.route
    return [
        (b"X-Strangler-Side", by.side.value.encode()),
        (b"X-Strangler-Route", (route.id if route is not None else "-").encode()),
        (b"X-Strangler-Why", why.encode("ascii", "replace")),
    ]
