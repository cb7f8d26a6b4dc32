"""Names that follow a request through the house: its id, and our own name in Via."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

from facade.core.headers import elements
from facade.core.http1.fields import Kind, Noted
from migration.core.signing import sign

_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}\Z")
_REQUEST_ID = int(Kind.REQUEST_ID)


def via_name(secret: bytes) -> str:
    """The pseudonym under which facades of one project stand in Via (RFC 9110, section 7.6.3)."""
    return f"strangler-{sign(secret, 'via', '')[:12]}"


def times_seen(said: list[bytes], name: str) -> int:
    """How often a request with these Via fields has passed a facade of this project."""
    wanted = name.encode()
    return sum(1 for hop in elements(said) if wanted in hop.split())


def given_id(noted: Noted) -> str | None:
    """The id that came with the request when it is one that can be logged."""
    given = noted.get(_REQUEST_ID)
    return given[0].decode() if given is not None and _ID.match(given[0]) else None


def idents(prefix: str) -> Iterator[str]:
    """Ids for requests that brought none: unique, not secret. `prefix` is random for each process."""
    return map(f"{prefix}{{:012x}}".format, count())
