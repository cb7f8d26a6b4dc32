"""Names that follow a request through the house: its id, its trace, and our own name in Via."""

from __future__ import annotations

import re

from facade.core.headers import Headers, elements, first, values
from migration.core.signing import sign

_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}\Z")
_TRACE = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?\Z")


def via_name(secret: bytes) -> str:
    """The pseudonym under which facades of one project stand in Via (RFC 9110, section 7.6.3)."""
    return f"strangler-{sign(secret, 'via', '')[:12]}"


def times_seen(headers: Headers, name: str) -> int:
    """How often a request has passed a facade of this project."""
    said = values(headers, b"via")
    if not said:
        return 0
    wanted = name.encode()
    return sum(1 for hop in elements(said) if wanted in hop.split())


def request_id(headers: Headers, random: bytes) -> str:
    """The id that came with the request when it is one that can be logged, else one of 16 random bytes."""
    given = first(headers, b"x-request-id")
    return given.decode() if given is not None and _ID.match(given) else random.hex()


def trace_id(headers: Headers) -> str | None:
    """The trace id of a W3C `traceparent`, or None."""
    given = first(headers, b"traceparent")
    found = _TRACE.match(given) if given is not None else None
    return found[1].decode() if found else None
