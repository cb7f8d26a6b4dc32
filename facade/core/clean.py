"""Clean before deciding: nothing that an outsider sent may pass for ours, or reach an upstream as hop-by-hop.

Names are compared with - and _ equal, because CGI and WSGI make them equal behind us.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache

from facade.core.headers import Fields, Header, Headers, elements, fold
from facade.core.problem import Problem
from facade.core.refuse import refuse

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer"
    b" transfer-encoding upgrade http2-settings".split()
)
FORWARDING = frozenset(
    b"forwarded x-forwarded x-real-ip x-client-ip true-client-ip x-cluster-client-ip cf-connecting-ip"
    b" fastly-client-ip x-original-forwarded-for x-original-host x-proxyuser-ip".split()
)
# Who the client is, as an authenticating proxy in front would say it: believed from trusted peers alone.
IDENTITY = frozenset(b"remote-user x-remote-user x-authenticated-user x-client-cert x-client-dn".split())
_IDENTITY_PREFIXES = (b"x-forwarded-", b"x-auth-request-", b"x-ssl-client-", b"ssl-client-")
# Frameworks that honour these route by them, past every decision made on the target.
REWRITING = frozenset(b"x-original-url x-rewrite-url".split())
OVERRIDES = frozenset(b"x-http-method-override x-http-method x-method-override".split())
# A Connection header that names one of these would have us remove what the decision was based on.
_NEVER_NAMED = frozenset(b"host content-length cookie authorization idempotency-key".split())
_INTERNAL_PREFIXES = (b"x-strangler-", b"x-shadow")
MAX_HEADERS = 100
MAX_HEAD = 64 * 1024


class Kind(IntEnum):
    """What is done with a header of a given name; the greater ones leave their value behind."""

    KEEP = 0
    DROP = 1
    FORWARDING = 2
    CONNECTION = 3
    UPGRADE = 4
    OVERRIDE = 5
    SHADOW = 6
    TOKEN = 7
    EXPECT = 8


_KINDS = {
    b"connection": Kind.CONNECTION,
    b"upgrade": Kind.UPGRADE,
    b"x-shadow": Kind.SHADOW,
    b"x-strangler-token": Kind.TOKEN,
    b"expect": Kind.EXPECT,
    **dict.fromkeys(OVERRIDES, Kind.OVERRIDE),
}


@lru_cache(maxsize=2048)  # names are the clients' to choose: the cache is bounded, and so is each name
def kind_of(name: bytes) -> Kind:
    """What is done with headers called `name`, as it was spelled."""
    folded = fold(name)
    if folded in _KINDS:
        kind = _KINDS[folded]
        return Kind.DROP if kind is Kind.OVERRIDE and b"_" in name else kind
    if folded in HOP_BY_HOP or is_internal(folded):
        return Kind.DROP
    if b"_" in name:
        return Kind.DROP  # the servers behind us could take it for the name with a hyphen
    return Kind.FORWARDING if is_forwarding(folded) else Kind.KEEP


def is_forwarding(folded: bytes) -> bool:
    """Whether a folded name speaks about the client in front of a proxy."""
    return folded in FORWARDING or folded in IDENTITY or folded.startswith(_IDENTITY_PREFIXES)


def is_internal(folded: bytes) -> bool:
    """Whether a folded name is one that only we may set."""
    return folded.startswith(_INTERNAL_PREFIXES) or folded in REWRITING


@dataclass(slots=True)
class Clean:
    """What is left of a request's headers, and what was taken out of them for us to judge.

    `forwarding` holds what a trusted peer said about the client; `shadow` and `token` are unverified.
    """

    headers: Fields = field(default_factory=Fields)
    forwarding: list[Header] = field(default_factory=list)
    shadow: bytes | None = None
    token: bytes | None = None
    override: bool = False
    expect: bytes | None = None
    upgrade: bool = False


def clean(raw: Headers, *, trusted: bool) -> Clean:
    """Sort the headers of a request; `trusted` says whether the peer may speak for clients.

    Raises Refused: 400 for a Connection that names what it must not, 431 for too many or too large headers.
    """
    result = Clean()
    kept, connection, size = result.headers, [], 0
    for header in raw:
        name, value = header
        size += len(name) + len(value) + 4
        kind = kind_of(name)
        if kind is Kind.KEEP:
            kept.append(header)
        elif kind is Kind.CONNECTION:
            connection.append(value)
        elif kind is Kind.FORWARDING:
            if trusted:
                result.forwarding.append(header)
        elif kind is not Kind.DROP:
            _set_aside(result, kind, header)
    _check_size(len(raw), size)
    return _without_named(result, connection) if connection else result


def _set_aside(result: Clean, kind: Kind, header: Header) -> None:
    if kind is Kind.UPGRADE:
        result.upgrade = True
    elif kind is Kind.OVERRIDE:
        result.override = True
        result.headers.append(header)  # the application behind us may want it; we only do not repeat it
    elif kind is Kind.SHADOW:
        result.shadow = header[1]
    elif kind is Kind.TOKEN:
        result.token = header[1]
    else:
        result.expect = header[1]


def _check_size(count: int, size: int) -> None:
    if count > MAX_HEADERS:
        raise refuse(
            431, "too_many_headers", f"The request has more than {MAX_HEADERS} header fields. Send fewer."
        )
    if size > MAX_HEAD:
        raise refuse(431, "head_too_large", f"The headers are larger than {MAX_HEAD} bytes. Send fewer.")


def _without_named(result: Clean, connection: list[bytes]) -> Clean:
    """Take out what Connection names: it was meant for us alone."""
    named = frozenset(element.replace(b"_", b"-") for element in elements(connection))
    if any(name in _NEVER_NAMED or is_forwarding(name) or is_internal(name) for name in named):
        raise refuse(
            400, "connection_names", "The Connection header names a field that is not hop-by-hop. Remove it."
        )
    if named - {b"close", b"keep-alive"}:
        result.headers = Fields(header for header in result.headers if fold(header[0]) not in named)
    return result


def problem_of_upgrade(upgrade: bool, has_body: bool) -> Problem | None:
    """An upgrade with a body is a smuggling hole: parsers end the message at its head and read on."""
    if not upgrade or not has_body:
        return None
    return Problem(400, "upgrade_with_body", "A request that asks for an upgrade cannot carry a body.")
