"""What an upstream is sent for a request: the cleaned headers, as this side shall see them, and ours."""

from __future__ import annotations

from facade.core.caching import conditions_for, range_side, ranges_for
from facade.core.headers import Header, without
from facade.core.host import own_name
from facade.core.http1.fields import Kind
from facade.core.http1.forwarding import forwarding_fields
from facade.core.http1.writing import request_head
from facade.core.identity import HEADER
from facade.core.incoming import Incoming, Project
from facade.core.upstream import Upstream
from migration.core.plan import Side

_CONDITION, _UPGRADE = int(Kind.CONDITION), (b"Upgrade", b"websocket")


def forwarded_head(
    incoming: Incoming,
    to: Upstream,
    project: Project,
    *,
    planned: bool,
    two_sides: bool,
    tunnel: bool = False,
    identity: bytes | None = None,
    epoch: int | None = None,
) -> bytes:
    """The bytes of the head for `to`.

    `planned`: for a route of the plan, whose validators may carry our tags. `tunnel`: ask for a WebSocket.
    `identity`: the token of whoever is logged in, which only a service is given. `epoch`: of the slice whose
    data it writes.
    """
    headers: list[Header] = incoming.headers
    if planned and _CONDITION in incoming.noted:
        headers = _ranged(conditions_for(headers, to.side, two_sides=two_sides), to.side, two_sides=two_sides)
    if to.sets_host or not incoming.host:
        headers = [(b"Host", own_name(to.url)), *without(headers, b"host")]
    added = forwarding_fields(
        incoming.client, incoming.peer, incoming.scheme, incoming.host, incoming.forwarding, to.hops,
        preserve=to.preserve,
    )  # fmt: skip
    ours: tuple[Header, ...] = ((b"X-Request-Id", incoming.id.encode()), *added)
    if incoming.shadow is not None:
        ours += ((b"X-Shadow", incoming.shadow),)
    if identity is not None and to.side is not Side.LEGACY:
        ours += ((HEADER, identity),)
    if epoch is not None:
        ours += ((b"X-Strangler-Epoch", b"%d" % epoch),)
    if tunnel:
        ours += ((b"Connection", b"Upgrade"), _UPGRADE)
    return request_head(
        incoming.method, incoming.target.raw, headers, (*ours, project.via_field), incoming.body
    )


def _ranged(headers: list[Header], side: Side, *, two_sides: bool) -> list[Header]:
    """With one side answering an untagged Range means that side's bytes; with two it could mean either's."""
    return ranges_for(headers, side) if two_sides or range_side(headers) is not None else headers
