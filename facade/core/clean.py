"""Clean before deciding: nothing that an outsider sent may pass for ours, or reach an upstream as hop-by-hop.

Names are compared with - and _ equal, because CGI and WSGI make them equal behind us.
"""

from __future__ import annotations

from dataclasses import dataclass

from facade.core.headers import Header, Headers, elements, fold
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
INTERNAL_PREFIX = b"x-strangler-"
SHADOW = b"x-shadow"
# A Connection header that names one of these would have us remove what the decision was based on.
_NEVER_NAMED = frozenset(b"host content-length cookie authorization idempotency-key".split())
MAX_HEADERS = 100
MAX_HEAD = 64 * 1024


@dataclass(slots=True)
class Clean:
    """What is left of a request's headers, and what was taken out of them for us to judge.

    `forwarding` holds what a trusted peer said about the client; `shadow` and `token` are unverified.
    """

    headers: list[Header]
    forwarding: list[Header]
    shadow: bytes | None = None
    token: bytes | None = None
    override: bool = False
    expect: bytes | None = None
    upgrade: bool = False


def is_forwarding(name: bytes) -> bool:
    """Whether a folded name speaks about the client in front of a proxy."""
    return name in FORWARDING or name in IDENTITY or name.startswith(_IDENTITY_PREFIXES)


def is_internal(name: bytes) -> bool:
    """Whether a folded name is one that only we may set."""
    return name.startswith((INTERNAL_PREFIX, SHADOW)) or name in REWRITING


def clean(raw: Headers, *, trusted: bool) -> Clean:
    """Sort the headers of a request; `trusted` says whether the peer may speak for clients.

    Raises Refused: 400 for a Connection that names what it must not, 431 for too many or too large headers.
    """
    _check_size(raw)
    named = _named_by_connection(raw)
    result = Clean([], [])
    for name, value in raw:
        folded = fold(name)
        if folded in named or folded in HOP_BY_HOP:
            result.upgrade = result.upgrade or folded == b"upgrade"
        elif not _take_out(result, folded, name, value, trusted=trusted):
            result.headers.append((name, value))
    return result


def _take_out(result: Clean, folded: bytes, name: bytes, value: bytes, *, trusted: bool) -> bool:
    """Whether the header is not passed on as it is."""
    if is_internal(folded):
        if folded == SHADOW:
            result.shadow = value
        elif folded == b"x-strangler-token":
            result.token = value
    elif is_forwarding(folded):
        if trusted and b"_" not in name:
            result.forwarding.append((name, value))
    elif folded == b"expect":
        result.expect = value
    elif b"_" not in name:
        result.override = result.override or folded in OVERRIDES
        return False
    return True


def _check_size(raw: Headers) -> None:
    if len(raw) > MAX_HEADERS:
        raise refuse(
            431, "too_many_headers", f"The request has more than {MAX_HEADERS} header fields. Send fewer."
        )
    if sum(len(name) + len(value) + 4 for name, value in raw) > MAX_HEAD:
        raise refuse(431, "head_too_large", f"The headers are larger than {MAX_HEAD} bytes. Send fewer.")


def _named_by_connection(raw: Headers) -> frozenset[bytes]:
    found = [value for name, value in raw if fold(name) == b"connection"]
    if not found:
        return frozenset()
    named = frozenset(element.replace(b"_", b"-") for element in elements(found))
    if any(name in _NEVER_NAMED or is_forwarding(name) or is_internal(name) for name in named):
        raise refuse(
            400, "connection_names", "The Connection header names a field that is not hop-by-hop. Remove it."
        )
    return named


def problem_of_upgrade(upgrade: bool, has_body: bool) -> Problem | None:
    """An upgrade with a body is a smuggling hole: parsers end the message at its head and read on."""
    if not upgrade or not has_body:
        return None
    return Problem(400, "upgrade_with_body", "A request that asks for an upgrade cannot carry a body.")
