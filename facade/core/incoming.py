"""A request as it is understood, from its parsed head to all that deciding and forwarding need."""

from __future__ import annotations

from dataclasses import dataclass, field

from facade.core.caching import has_range, range_side
from facade.core.clean import asks_for_websocket, check_expectation, check_upgrade, named_by_connection
from facade.core.headers import Fields, Header, without
from facade.core.http1.fields import Kind, Noted
from facade.core.http1.forwarding import Network, client_address, is_trusted, scheme_of
from facade.core.http1.framing import Body, host_of
from facade.core.http1.head import RequestHead
from facade.core.http1.target import Target, parse_target
from facade.core.key import Key, sticky_key
from facade.core.methods import check_method, is_safe
from facade.core.refuse import refuse
from facade.core.trace import given_id, times_seen
from facade.errors import Refused
from migration.core.plan import Plan, Side
from shadow.tap import is_shadow_call

_HOST, _CONNECTION, _UPGRADE, _EXPECT, _VIA, _SHADOW, _TOKEN, _OVERRIDE, _CONDITION = (
    int(kind)
    for kind in (
        Kind.HOST, Kind.CONNECTION, Kind.UPGRADE, Kind.EXPECT, Kind.VIA, Kind.SHADOW, Kind.TOKEN,
        Kind.OVERRIDE, Kind.CONDITION,
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Project:
    """What does not change with a request: the secret, our name in Via, the trusted networks.

    `session` is the name of the cookie that only the monolith may write, b"" without one.
    """

    secret: bytes
    via: str
    trusted: tuple[Network, ...] = ()
    session: bytes = b""
    via_field: Header = field(init=False)

    def __post_init__(self) -> None:
        """Spell the Via field once."""
        object.__setattr__(self, "via_field", (b"Via", b"1.1 " + self.via.encode()))


class Incoming:
    """A request that may be answered; `headers` are cleaned, `client` is who asks, by trusted word.

    `shadow`: it is a candidate call of our own. `insider`: it came from a trusted network. `websocket`: it is
    the opening handshake of one.
    """

    __slots__ = (
        "body", "client", "expects", "forwarding", "headers", "host", "id", "insider", "key", "method",
        "noted", "peer", "safe", "scheme", "shadow", "target", "upgrade", "websocket",
    )  # fmt: skip

    method: str
    target: Target
    body: Body
    host: bytes
    headers: Fields
    noted: Noted
    forwarding: list[Header]
    key: Key | None
    safe: bool
    client: str
    peer: str
    scheme: str
    id: str
    shadow: bytes | None
    insider: bool
    upgrade: bool
    websocket: bool
    expects: bool

    @property
    def repeatable(self) -> bool:
        """Whether the request can be sent again: it is safe, and nothing of it is used up by sending."""
        return self.safe and not self.body.there

    @property
    def token(self) -> bytes | None:
        """What it says is the admin token."""
        found = self.noted.get(_TOKEN)
        return found[-1] if found is not None else None

    @property
    def range_side(self) -> Side | None:
        """Whose bytes the asked range belongs to, when it names a side's ETag."""
        if _CONDITION not in self.noted or not has_range(self.headers):
            return None
        return range_side(self.headers)


def understand(head: RequestHead, peer: str, plan: Plan, project: Project, ident: str) -> Incoming:
    """Clean and check, in an order in which nothing is decided on what an outsider made up.

    `ident` becomes the request's id when it brought none. Refused says what is wrong with it.
    """
    fields, found = head.fields, Incoming()
    noted = fields.noted
    found.method = method = head.method
    check_method(method, plan.facade.methods)
    found.target = target = parse_target(method, head.target)
    found.host = host = host_of(head.version, noted.get(_HOST), target.authority)
    found.body = body = head.body
    if body.kind == "length":
        check_grown(body.length, plan.facade.max_request_body)
    found.noted, found.headers = noted, fields.kept
    found.upgrade = found.websocket = found.expects = False
    connection = noted.get(_CONNECTION)
    if connection is not None:
        found.headers = named_by_connection(fields.kept, connection)
    if _UPGRADE in noted:
        check_upgrade(noted)
        found.upgrade = True
        found.websocket = asks_for_websocket(method, head.version, noted, connection or [])
    if _EXPECT in noted:
        found.expects = check_expectation(noted, body)
    if _VIA in noted and times_seen(noted[_VIA], project.via) >= 2:
        raise refuse(508, "loop", "The request has passed this facade twice: an upstream's URL leads to it.")
    if target.authority is not None:
        found.headers = Fields([(b"Host", host), *without(found.headers, b"host")])
    _who(found, peer, fields.forwarding, project)
    found.key = sticky_key(plan.key, found.headers, noted, project.secret)
    found.safe = is_safe(method, override=_OVERRIDE in noted, query=target.query)
    found.id = given_id(noted) or ident
    found.shadow = _shadow(noted.get(_SHADOW), project.secret)
    return found


def _who(found: Incoming, peer: str, forwarding: list[Header], project: Project) -> None:
    """Who asks: the peer, or whom a trusted peer speaks for."""
    found.peer = found.client = peer
    found.scheme, found.insider, found.forwarding = "http", False, []
    if project.trusted and is_trusted(peer, project.trusted):
        found.forwarding = forwarding
        found.client = client_address(peer, forwarding, project.trusted)
        found.scheme = scheme_of(forwarding, "http")
        found.insider = is_trusted(found.client, project.trusted)


def _shadow(said: list[bytes] | None, secret: bytes) -> bytes | None:
    """The token of a candidate call, if it is one of ours: an outsider's order must not be "rehearsed"."""
    if said is None or not is_shadow_call(secret, said[-1].decode("latin-1")):
        return None
    return said[-1]


def check_grown(received: int, limit: int | None) -> None:
    """Refused (413) once a body has grown past the plan's limit."""
    if limit is not None and received > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> Refused:
    return refuse(413, "body_too_large", f"The body is larger than the {limit} bytes that are allowed here.")
