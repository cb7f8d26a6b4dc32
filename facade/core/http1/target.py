"""The request target: judged once on its decoded form, sent on as it came.

Gunicorn with Flask, Werkzeug, waitress and Starlette disagree (measured) on `//`, `#`, `%2F` and non-ASCII
digits. A target on which they could disagree about the route is refused instead of guessed at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from facade.core.http1.limits import MAX_TARGET
from facade.core.refuse import refuse

_REMEMBERED = 256  # bytes: longer targets are worked out anew, so that what is remembered stays small
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?#]*)(.*)\Z", re.DOTALL)
_UNSAFE = re.compile(rb"[\x00-\x20\x7f#]")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_UNSAFE_DECODED = re.compile(r"[\x00-\x1f\x7f\\]")


@dataclass(frozen=True, slots=True)
class Target:
    """`raw` is what the upstream sees; `parts` the path decoded once, then split on `/`.

    `merged` is the same with empty segments left out, as servers that merge slashes see it; `authority` is
    there when the target was absolute.
    """

    raw: bytes
    parts: tuple[str, ...]
    merged: tuple[str, ...]
    query: bytes
    authority: bytes | None = None


def parse_target(method: str, raw: bytes) -> Target:
    """Judge the target; Refused (400, 414) where servers could disagree about it."""
    if raw == b"*" and method == "OPTIONS":
        return Target(raw, (), (), b"")  # about the server as a whole: no route
    return _recent(raw) if len(raw) <= _REMEMBERED else _judged(raw)


def _judged(raw: bytes) -> Target:
    if len(raw) > MAX_TARGET:
        raise refuse(414, "target_too_long", f"The request target is longer than {MAX_TARGET} bytes.")
    authority, origin = _origin_form(raw)
    if _UNSAFE.search(origin):
        raise refuse(400, "target", "The request target holds '#', a blank or a control character.")
    path, _, query = origin.partition(b"?")
    parts = _segments(path)
    merged = tuple(part for part in parts if part) or ("",)
    return Target(origin, parts, parts if merged == parts else merged, query, authority)


_recent = lru_cache(maxsize=4096)(_judged)


def _origin_form(raw: bytes) -> tuple[bytes | None, bytes]:
    if raw.startswith(b"/"):
        return None, raw
    found = _ABSOLUTE.match(raw)
    if found is None:
        raise refuse(400, "target", "The request target must begin with '/'.")
    rest = found[2]
    return found[1], rest if rest.startswith(b"/") else b"/" + rest


def _segments(path: bytes) -> tuple[str, ...]:
    if _BAD_ESCAPE.search(path):
        raise refuse(400, "target", "The path holds a '%' without two hexadecimal digits.")
    try:
        text = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        raise refuse(400, "target", "The path is not UTF-8 once it is decoded.") from None
    if _UNSAFE_DECODED.search(text):
        raise refuse(400, "target", "The path holds a backslash or a control character.")
    parts = tuple(text[1:].split("/"))
    if "." in parts or ".." in parts:
        raise refuse(400, "target", "The path holds a '.' or '..' segment.")
    return parts
