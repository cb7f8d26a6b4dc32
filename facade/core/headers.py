"""Reading header fields as they crossed the wire: pairs of bytes, in order, duplicates kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Header = tuple[bytes, bytes]
Headers = Sequence[Header]


def fold(name: bytes) -> bytes:
    """The name as the servers behind us compare it: case and the difference of - and _ are lost in CGI."""
    return name.lower().replace(b"_", b"-")


def values(headers: Iterable[Header], name: bytes) -> list[bytes]:
    """Every value of the header `name` (lower case)."""
    return [value for key, value in headers if key.lower() == name]


def first(headers: Iterable[Header], name: bytes) -> bytes | None:
    """The first value of the header `name` (lower case), or None."""
    return next((value for key, value in headers if key.lower() == name), None)


def elements(fields: Iterable[bytes]) -> list[bytes]:
    """The members of comma-separated lists, lower case, empty ones left out (RFC 9110, section 5.6.1)."""
    return [part for field in fields for raw in field.split(b",") if (part := raw.strip(b" \t").lower())]


def without(headers: Iterable[Header], *names: bytes) -> list[Header]:
    """The headers but those called `names` (lower case)."""
    return [(key, value) for key, value in headers if key.lower() not in names]
