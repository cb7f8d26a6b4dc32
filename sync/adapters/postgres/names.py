"""How our objects are called, and our SQL files with the names of one slice or table put in."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_LONGEST = 63  # bytes of an identifier in PostgreSQL (NAMEDATALEN - 1)
_PLACE = re.compile(r"(?<![:\w]):([a-z_]+)\b")


def short(name: str) -> str:
    """`name` as PostgreSQL can hold it: a longer one ends in a digest of itself."""
    raw = name.encode()
    if len(raw) <= _LONGEST:
        return name
    digest = hashlib.sha256(raw).hexdigest()[:10]
    return f"{raw[: _LONGEST - 11].decode(errors='ignore')}~{digest}"


def quoted(name: str) -> str:
    """An identifier, always in quotes."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string constant; standard_conforming_strings is on in every supported server."""
    return "'" + text.replace("'", "''") + "'"


def ours(kind: str, *parts: str) -> str:
    """The quoted name, inside `sf`, of an object of a slice or of a table of it."""
    separator = "_" if kind in ("fence", "refused", "ids") else ":"
    return quoted(short(separator.join((kind, *parts))))


def lock_number(slice_name: str) -> int:
    """The slice's advisory lock: 63 bits of a digest, the same in every session."""
    digest = hashlib.sha256(f"strangler fence {slice_name}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


def holder_name(slice_name: str, holder: str) -> str:
    """The session's name on the server while it is in a transaction of the slice."""
    return f"strangler:{slice_name}:{holder}".encode()[:_LONGEST].decode(errors="ignore")


@cache
def _text(file: str) -> str:
    return (files(__package__) / file).read_text()


def filled(file: str, values: Mapping[str, str]) -> str:
    """One of our SQL files with `:name` replaced."""
    return _PLACE.sub(lambda match: values[match[1]], _text(file))
