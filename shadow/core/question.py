"""What the other side is asked for an exchange, and which exchanges it is not asked for at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from urllib.parse import parse_qsl

from migration.core.plan import Route
from shadow.core.exchange import Exchange
from shadow.core.headers import first

# Meant for one connection (RFC 9110, section 7.6.1), besides those that `Connection` names.
_HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
        "trailer", "transfer-encoding", "upgrade", "content-length", "expect",
    }
)  # fmt: skip
# A 304 against a 200 says nothing about either: the candidate always answers in full.
_CONDITIONAL = frozenset(
    {"if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "if-range", "range"}
)
_REPLACED = frozenset({"accept-encoding", "traceparent", "x-shadow", "host"})
_INTERNAL = "x-strangler-"
_SAFE = frozenset({"GET", "HEAD"})


def early_reason(exchange: Exchange, route: Route | None) -> str | None:
    """Why this exchange is not compared, known before anybody is asked; None: it is compared."""
    if route is None:
        return "route_unknown"
    if any(name.lower() == b"x-shadow" for name, _ in exchange.request_headers):
        return "loop"
    if exchange.method not in _SAFE or exchange.request_body:
        return "method"
    if exchange.status == 304:
        return "not_modified"
    if exchange.status == 206:
        return "partial"
    if exchange.answered_by == "extracted" and not route.effects_free:
        return "legacy_has_effects"
    return None


def headers_for(
    exchange: Exchange, host: str | None, shadow_token: str, trace_sampled: bool = True
) -> tuple[tuple[str, str], ...]:
    """The candidate's request headers; `host` replaces the user's Host where it is not to be preserved."""
    named = _named_by_connection(exchange.request_headers)
    kept = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in exchange.request_headers
        if not _dropped(name.decode("latin-1").lower(), named)
    ]
    original = first(exchange.request_headers, "host")
    ours = [("Host", host or original or ""), ("Accept-Encoding", _encodings(exchange))]
    if exchange.trace:
        ours.append(("traceparent", _linked(exchange.trace, exchange.request_id, trace_sampled)))
    return (*((name, value) for name, value in ours if value), *kept, ("X-Shadow", shadow_token))


def _dropped(name: str, named: frozenset[str]) -> bool:
    always = name in _HOP_BY_HOP or name in _CONDITIONAL or name in _REPLACED
    return always or name in named or name.replace("_", "-").startswith(_INTERNAL)


def _named_by_connection(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[str]:
    values = [value.decode("latin-1") for name, value in headers if name.lower() == b"connection"]
    return frozenset(name.strip().lower() for value in values for name in value.split(","))


def _encodings(exchange: Exchange) -> str:
    # Only what can be undone here; and none where the user asked for none, since some servers then answer
    # another way.
    accepted = first(exchange.request_headers, "accept-encoding") or ""
    return "gzip, deflate" if "gzip" in accepted.lower() or "*" in accepted else "identity"


def _linked(trace: str, request_id: str, sampled: bool) -> str:
    """A W3C traceparent in the user's trace, with a span of its own."""
    parts = trace.split("-")
    whole = parts[1] if len(parts) >= 4 else trace
    span = hashlib.sha256(f"shadow:{request_id}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"00-{whole}-{span}-{'01' if sampled else '00'}"


def shape(exchange: Exchange) -> str:
    """What kind of request it is: the sorted names of its query and the class of its Accept."""
    _, _, query = exchange.target.decode("latin-1").partition("?")
    names = sorted({name[:40] for name, _ in parse_qsl(query, keep_blank_values=True)[:20]})
    accept = (first(exchange.request_headers, "accept") or "*/*").partition(",")[0].partition(";")[0]
    return f"?{'&'.join(names)} {accept.strip().lower()[:40]}"
