"""What caches may do while a route is answered by two sides.

A shared cache would hand one side's answer to the other side's users, so canary answers are private. A
validator names one side's bytes: it goes out tagged with its side and comes back only to that side.
"""

from __future__ import annotations

import re

from facade.core.headers import Header, Headers, elements, first, values
from facade.core.refuse import refuse
from migration.core.plan import Side

_TAGS = {Side.LEGACY: b"sf-l-", Side.EXTRACTED: b"sf-x-"}
_OPAQUE = re.compile(rb'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_PRIVATE_ALREADY = frozenset({b"private", b"no-store"})
_SHARED_ONLY = frozenset({b"public", b"s-maxage", b"proxy-revalidate"})
_CONDITIONS = frozenset({b"if-none-match", b"if-match"})
_RANGES = frozenset({b"range", b"if-range"})
_MOST_TAGS = 8 * 1024  # bytes: 64 KB of empty tags took 94 ms, in which nobody else had a turn


def made_private(headers: Headers) -> list[Header]:
    """The headers with a Cache-Control that no shared cache may keep (RFC 9111, section 5.2.2.7)."""
    directives = elements(values(headers, b"cache-control"))
    if _PRIVATE_ALREADY & set(directives):
        return list(headers)
    kept = [part for part in directives if part.partition(b"=")[0].strip() not in _SHARED_ONLY]
    field = (b"Cache-Control", b", ".join([b"private", *kept]))
    return [*((name, value) for name, value in headers if name.lower() != b"cache-control"), field]


def shared_cache_may_keep(status: int, headers: Headers) -> bool:
    """Whether a cache between us and the client may hand this answer to somebody else.

    Heuristic freshness needs a date to guess from, so an answer that says nothing at all is not kept
    (RFC 9111, section 4.2.2).
    """
    directives = elements(values(headers, b"cache-control"))
    if _PRIVATE_ALREADY & set(directives):
        return False
    if directives or status == 304:
        return True
    return any(first(headers, name) is not None for name in (b"expires", b"etag", b"last-modified"))


def tagged(headers: Headers, side: Side) -> list[Header]:
    """The answer's ETags with the side written into them."""
    return [
        (name, _tag(value, side)) if name.lower() == b"etag" else (name, value) for name, value in headers
    ]


def conditions_for(headers: Headers, side: Side, *, two_sides: bool) -> list[Header]:
    """The request's conditions as `side` shall see them: its own tags without their mark, no foreign ones.

    A foreign tag in If-None-Match is left out (nothing matches: a full answer); in If-Match it stays as it
    is, and never matches. `two_sides`: untagged validators may be the other side's, and only legacy, which
    gave them out before the canary began, is asked with them.
    """
    given = [value for name in _CONDITIONS for value in values(headers, name)]
    if not given:
        return list(headers)
    if sum(map(len, given)) > _MOST_TAGS:
        raise refuse(
            431, "too_many_tags", f"The conditions are larger than {_MOST_TAGS} bytes. Send fewer tags."
        )
    result: list[Header] = []
    for name, value in headers:
        lower = name.lower()
        if lower in _CONDITIONS:
            value = _untag(value, side, keep_foreign=lower == b"if-match", two_sides=two_sides)
        if value or lower not in _CONDITIONS:
            result.append((name, value))
    return result


def range_side(headers: Headers) -> Side | None:
    """The side whose strong tag If-Range or If-Match carries; None where no side can be told."""
    found = [*values(headers, b"if-range"), *values(headers, b"if-match")]
    strong = [match[2] for value in found for match in _OPAQUE.finditer(value) if not match[1]]
    sides = {side for opaque in strong for side, tag in _TAGS.items() if opaque.startswith(tag)}
    return sides.pop() if len(sides) == 1 else None


def has_range(headers: Headers) -> bool:
    """Whether only a part is asked for."""
    return bool(values(headers, b"range"))


def ranges_for(headers: Headers, side: Side) -> list[Header]:
    """The request's Range as `side` may answer it: parts of two sides' bytes are never put together."""
    if not has_range(headers):
        return list(headers)
    if range_side(headers) is not side:
        return [(name, value) for name, value in headers if name.lower() not in _RANGES]
    return [
        (name, _untag(value, side, keep_foreign=True, two_sides=False))
        if name.lower() == b"if-range"
        else (name, value)
        for name, value in headers
    ]


def _tag(value: bytes, side: Side) -> bytes:
    return _OPAQUE.sub(lambda found: (found[1] or b"") + b'"' + _TAGS[side] + found[2] + b'"', value, count=1)


def _untag(value: bytes, side: Side, *, keep_foreign: bool, two_sides: bool) -> bytes:
    if value.strip() == b"*":
        return value
    kept = []
    for found in _OPAQUE.finditer(value):
        weak, opaque = found[1] or b"", found[2]
        owner = next((owner for owner, tag in _TAGS.items() if opaque.startswith(tag)), None)
        if owner is side:
            kept.append(weak + b'"' + opaque[len(_TAGS[side]) :] + b'"')
        elif keep_foreign or (owner is None and (side is Side.LEGACY or not two_sides)):
            kept.append(found[0])
    return b", ".join(kept)
