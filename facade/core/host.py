"""An upstream that is called by its own name names itself in answers; those names are turned back."""

from __future__ import annotations

import re

from facade.core.headers import Header, Headers

_LOCATIONS = frozenset({b"location", b"content-location"})
_DOMAIN = re.compile(rb";[ \t]*domain=[^;]*", re.IGNORECASE)


def own_name(upstream: str) -> bytes:
    """The authority of an upstream's URL."""
    return upstream.split("://", 1)[1].split("/", 1)[0].encode()


def turned_back(headers: Headers, upstream: bytes, scheme: str, host: bytes) -> list[Header]:
    """The answer's headers with the upstream's own authority replaced by the client's.

    Cookie domains of the upstream are dropped, which makes the cookie the client's host's own.
    """
    result: list[Header] = []
    for name, value in headers:
        lower = name.lower()
        if lower in _LOCATIONS:
            result.append((name, _located(value, upstream, scheme, host)))
        elif lower == b"set-cookie":
            result.append((name, _recookied(value, upstream)))
        else:
            result.append((name, value))
    return result


def _located(value: bytes, upstream: bytes, scheme: str, host: bytes) -> bytes:
    for prefix in (b"http://" + upstream, b"https://" + upstream, b"//" + upstream):
        rest = value[len(prefix) :]
        if value.lower().startswith(prefix.lower()) and (not rest or rest[:1] in (b"/", b"?", b"#")):
            return scheme.encode() + b"://" + host + rest
    return value


def _recookied(value: bytes, upstream: bytes) -> bytes:
    found = _DOMAIN.search(value)
    if found is None:
        return value
    domain = found[0].partition(b"=")[2].strip(b" \t.").lower()
    return value.replace(found[0], b"", 1) if domain == upstream.partition(b":")[0].lower() else value
