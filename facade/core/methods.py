"""What a method promises (RFC 9110, section 9), and which ones are passed on at all."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import unquote_to_bytes

from facade.core.refuse import refuse

KNOWN = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
MIRRORED = frozenset({"GET", "HEAD"})


def check_method(method: str, more: Collection[str]) -> None:
    """Refused (501) unless the method is known or the plan names it. CONNECT and TRACE are never."""
    if method not in KNOWN and (method not in more or method in ("CONNECT", "TRACE")):
        raise refuse(
            501, "method", "This method is not passed on; the plan may name it under facade.methods."
        )


def is_safe(method: str, *, override: bool, query: bytes) -> bool:
    """Whether the request may be repeated: a method override makes it unsafe, whatever it overrides."""
    return method in SAFE and not override and not _overridden(query)


def _overridden(query: bytes) -> bool:
    if b"_method" not in query and b"%" not in query:
        return False
    return any(_name(pair) == b"_method" for part in query.split(b"&") for pair in part.split(b";"))


def _name(pair: bytes) -> bytes:
    return unquote_to_bytes(pair.partition(b"=")[0].replace(b"+", b" ")).strip()
