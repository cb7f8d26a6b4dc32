"""Which headers of two answers are compared, and when their values mean the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from shadow.core.differences import MISSING, Difference, Kind

Headers = Sequence[tuple[bytes, bytes]]

COMPARED = ("content-type", "location", "content-disposition", "cache-control")
# These say something about the connection or the moment, never about the answer.
_OF_THE_WIRE = frozenset(
    {
        "date", "server", "connection", "keep-alive", "transfer-encoding", "content-length", "via",
        "content-encoding", "vary", "age", "trailer", "upgrade",
    }
)  # fmt: skip
_MOST_IGNORED = 50  # names: a body's author can invent headers without end


@dataclass(frozen=True, slots=True)
class HeaderComparison:
    """Differences in the compared headers, and the names of the others that differ."""

    differences: tuple[Difference, ...]
    ignored: tuple[str, ...]


def first(headers: Headers, name: str) -> str | None:
    """The value of a header, or None; several are joined with commas (RFC 9110, section 5.3)."""
    wanted = name.lower().encode()
    values = [value.decode("latin-1").strip() for key, value in headers if key.lower() == wanted]
    return ", ".join(values) if values else None


def compare_headers(old: Headers, new: Headers, bases: tuple[str, str] = ("", "")) -> HeaderComparison:
    """Compare two answers' headers; `bases` are both sides' own URLs, which their `Location` may carry."""
    left, right = _by_name(old), _by_name(new)
    differences = [
        _difference(name, left.get(name), right.get(name))
        for name in COMPARED
        if _meaning(name, left.get(name), bases[0]) != _meaning(name, right.get(name), bases[1])
    ]
    others = (left.keys() | right.keys()) - set(COMPARED) - _OF_THE_WIRE
    ignored = sorted(name for name in others if left.get(name) != right.get(name))
    return HeaderComparison(tuple(differences), tuple(ignored[:_MOST_IGNORED]))


def _by_name(headers: Headers) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in headers:
        name, text = key.decode("latin-1").lower(), value.decode("latin-1").strip()
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found


def _difference(name: str, old: str | None, new: str | None) -> Difference:
    left, right = MISSING if old is None else old, MISSING if new is None else new
    types = f"{'nothing' if old is None else 'header'} → {'nothing' if new is None else 'header'}"
    return Difference(Kind.HEADER, f"header {name}", types, left, right)


def _meaning(name: str, value: str | None, base: str) -> object:
    if value is None:
        return None
    if name == "content-type":
        return _parameters(value.lower(), ";")
    if name == "cache-control":
        return _parameters(value.lower(), ",")
    return _without_base(value, base) if name == "location" else value


def _parameters(value: str, separator: str) -> tuple[str, ...]:
    """The parts without blanks or quotes; a media type stays first, the order of the others is free."""
    head, *rest = (part.strip().replace('"', "").replace(" ", "") for part in value.split(separator))
    return (
        (head, *sorted(part for part in rest if part)) if separator == ";" else tuple(sorted((head, *rest)))
    )


def _without_base(location: str, base: str) -> str:
    to, own = urlsplit(location), urlsplit(base)
    if to.netloc and to.netloc == own.netloc:
        return to._replace(scheme="", netloc="").geturl() or "/"
    return location
