"""Differences as values, and how bad each kind is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shadow.core.json_text import type_name
from shadow.core.paths import Path, generalise, text


class Kind(StrEnum):
    """What sort of difference it is."""

    STATUS = "status"
    HEADER = "header"
    MISSING = "missing"
    EXTRA = "extra"
    TYPE = "type"
    NULL = "null"
    VALUE = "value"
    ORDER = "order"
    ITEM_ADDED = "item_added"
    ITEM_REMOVED = "item_removed"
    BODY_TYPE = "body_type"
    UNPARSEABLE = "unparseable"
    TIMEOUT = "timeout"
    ERROR = "error"
    FLAKY = "flaky"


class Impact(StrEnum):
    """What a kind does to a client, worst first."""

    BREAKING = "breaking"
    BEHAVIOUR = "behaviour"
    ORDER = "order"
    ADDITIVE = "additive"


_IMPACT = {
    Kind.MISSING: Impact.BREAKING,
    Kind.TYPE: Impact.BREAKING,
    Kind.NULL: Impact.BREAKING,
    Kind.TIMEOUT: Impact.BREAKING,
    Kind.ERROR: Impact.BREAKING,
    Kind.BODY_TYPE: Impact.BREAKING,
    Kind.UNPARSEABLE: Impact.BREAKING,
    Kind.FLAKY: Impact.BREAKING,
    Kind.STATUS: Impact.BREAKING,
    Kind.VALUE: Impact.BEHAVIOUR,
    Kind.HEADER: Impact.BEHAVIOUR,
    Kind.ITEM_ADDED: Impact.BEHAVIOUR,
    Kind.ITEM_REMOVED: Impact.BEHAVIOUR,
    Kind.ORDER: Impact.ORDER,
    Kind.EXTRA: Impact.ADDITIVE,
}

MISSING: Any = type("Missing", (), {"__repr__": lambda _: "missing"})()
"""Stands where one side has nothing: None is JSON's null."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One differing leaf of one exchange, oriented legacy → extracted.

    `place` is its general path; the two concrete paths may differ where list items were paired.
    """

    kind: Kind
    place: str
    types: str
    old: Any = MISSING
    new: Any = MISSING
    old_path: Path = ()
    new_path: Path = ()
    inside: bool = False  # two parsed bodies, which the paths lead into

    @property
    def impact(self) -> Impact:
        """How bad it is; another status of the same class is behaviour only."""
        if self.kind is Kind.STATUS and self.old // 100 == self.new // 100:
            return Impact.BEHAVIOUR
        return _IMPACT[self.kind]


def in_body(kind: Kind, old: Any, new: Any, old_path: Path, new_path: Path) -> Difference:
    """A difference inside two JSON bodies."""
    place = text(generalise(old_path if old is not MISSING else new_path))
    types = f"{_type(old)} → {_type(new)}"
    return Difference(kind, place, types, old, new, old_path, new_path, inside=True)


def _type(value: Any) -> str:
    return "nothing" if value is MISSING else type_name(value)


def finding_id(route: str, difference: Difference) -> str:
    """The stable id of the finding that `difference` belongs to: 12 hex digits."""
    parts = (route, difference.place, difference.kind.value, difference.types)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:12]
