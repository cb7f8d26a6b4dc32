"""The words of this room as values: keys, rows, entities, pending marks, authority rows."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

Value = Any
"""What a column holds: int, float, str, bool, bytes, Decimal, datetime, date, UUID, list, dict or None."""
Key = tuple["int | str | uuid.UUID | Odd", ...]
"""The primary key of one row, in the order of the table's key columns; of what names no row, one `Odd`."""
Row = Mapping[str, Value]
"""One row by column name."""
Rows = Mapping[str, Row | None]
"""One entity's rows on one side, by table name; None where that table has no row for the key."""
_NESTED: frozenset[type] = frozenset({dict, list})  # what JSON becomes
_NAN_KINDS: frozenset[type] = frozenset({float, Decimal})


def equal(expected: Rows, found: Rows) -> bool:
    """`==`, except that true is not 1 inside JSON: Python finds them equal, and changes would be lost."""
    try:
        if expected != found:
            return _has_nan(found) and _but_for_nan(expected, found)
    except ArithmeticError:  # a signalling NaN, which no database gives
        return False
    for table, row in expected.items():
        # Asked of a row at once: most have nothing of the kind, and need no call for each value.
        if row is not None and not _NESTED.isdisjoint(map(type, row.values())):
            there = found[table] or {}
            if not all(alike(value, there[column]) for column, value in row.items()):
                return False
    return True


def _has_nan(rows: Rows) -> bool:
    """Asked of what a database gave, before each column is compared: nearly no row has one."""
    for row in rows.values():
        for value in (row or {}).values():  # a loop: a generator takes three times as long
            if value.__class__ in _NAN_KINDS and value != value:
                return True
    return False


def _but_for_nan(expected: Rows, found: Rows) -> bool:
    """Whether all that differs are NaNs, which Python finds unequal to themselves."""
    return expected.keys() == found.keys() and all(
        row is not None
        and there is not None
        and row.keys() == there.keys()
        and all(alike(value, there[column]) for column, value in row.items())
        for table, row in expected.items()
        if (there := found[table]) is not row
    )


def alike(one: Value, other: Value) -> bool:
    """The same for two values; what cannot be compared (a signalling NaN) is like nothing."""
    try:
        if one != other or one.__class__ not in _NESTED:
            return bool(one == other or (one != one and other != other))  # a NaN is as good as another
    except Exception:  # noqa: BLE001 - a mapping gives any object, and `==` is that object's code
        return False
    todo = [(one, other)]
    while todo:  # no recursion: JSON may be nested deeper than Python's stack has room for
        here, there = todo.pop()
        if isinstance(here, dict):
            todo += [(each, there[name]) for name, each in here.items()]
        elif isinstance(here, list):
            todo += zip(here, there, strict=True)
        elif isinstance(here, bool) != isinstance(there, bool):
            return False
    return True


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What is stored, and Python cannot hold: no column takes it, so its row waits; `why` says what it is."""

    text: str
    why: str = "JSON that is nested too deep, or has a number of too many digits"


@dataclass(frozen=True, slots=True)
class Odd:
    """What stands where a key should, and names no row: NULL, a fraction, bytes, text that is no text.

    Its row can be told of and waits, but nothing can be asked of a database by such a key.
    """

    spelled: str  # the key's values as JSON in ASCII; null for what is neither an integer nor text

    def __str__(self) -> str:
        """As people are shown it."""
        return self.spelled


class Side(StrEnum):
    """Whose database it is; the same words as `migration.core.plan.Side`."""

    LEGACY = "legacy"
    EXTRACTED = "extracted"

    @property
    def other(self) -> Side:
        """The side across."""
        return Side.EXTRACTED if self is Side.LEGACY else Side.LEGACY


class Phase(StrEnum):
    """What the authority row of one side says."""

    OPEN = "open"
    CLOSED = "closed"
    INTENT = "intent"  # on the side that is about to open
    ABORTED = "aborted"  # on the side that was about to open and may not any more


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority row of one side of one slice; every change is a compare-and-set on all of it."""

    epoch: int
    phase: Phase

    @property
    def open(self) -> bool:
        """Whether the applications of this side may write."""
        return self.phase is Phase.OPEN


@dataclass(frozen=True, slots=True)
class Reference:
    """`column` of this entity's rows (one name a side) holds the single-column key of `to`; `parent` owns it.

    A parent is who a row belongs to: a poisoned row holds up its parent, and everything that the parent owns.
    """

    to: str
    legacy: str
    extracted: str
    parent: bool = False


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One table of one side as far as the entity maps it: `columns` include the key columns."""

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entity:
    """One mapped pair: table(s) of legacy and table(s) of the service, with a mapping both ways.

    The first table of a side is the root: the entity exists where its root row exists. Further tables of a
    side share the root's key values and may lack a row. `forward` and `backward` take and give rows by table
    name, key columns included; they are pure and raise ValueError for what has no counterpart. `same` says
    whether a follower's rows are what was expected (a mapping may know spellings that mean the same).
    """

    name: str
    legacy: tuple[TableSpec, ...]
    extracted: tuple[TableSpec, ...]
    forward: Callable[[Rows], Rows]
    backward: Callable[[Rows], Rows]
    references: tuple[Reference, ...] = ()
    same: Callable[[Rows, Rows], bool] = equal

    def tables(self, side: Side) -> tuple[TableSpec, ...]:
        """The tables on `side`, the root first."""
        return self.legacy if side is Side.LEGACY else self.extracted

    def root(self, side: Side) -> TableSpec:
        """The table whose row makes the entity exist on `side`."""
        return self.tables(side)[0]

    def translate(self, source: Side) -> Callable[[Rows], Rows]:
        """The mapping of rows read on `source` into rows of the other side."""
        return self.forward if source is Side.LEGACY else self.backward

    @property
    def parent(self) -> Reference | None:
        """Whom rows of this entity belong to."""
        return next((each for each in self.references if each.parent), None)


@dataclass(frozen=True, slots=True)
class SliceSpec:
    """What sync knows of one slice: entities, parents before children."""

    name: str
    entities: tuple[Entity, ...]
    accepted_splits: frozenset[str] = frozenset()  # tables outside that its transactions and keys may touch

    def entity(self, name: str) -> Entity:
        """The entity of this name; KeyError when there is none."""
        return next(each for each in self.entities if each.name == name)

    def tables(self, side: Side) -> tuple[TableSpec, ...]:
        """Every table of the slice on `side`, parents before children."""
        return tuple(table for each in self.entities for table in each.tables(side))

    def entity_of(self, side: Side, table: str) -> Entity:
        """The entity that `table` of `side` belongs to: one table feeds one entity."""
        return next(each for each in self.entities for spec in each.tables(side) if spec.name == table)


@dataclass(frozen=True, slots=True)
class Mark:
    """One line of the outbox: a key that a transaction touched; `deleted` when it took the row away."""

    seq: int
    table: str
    key: Key
    deleted: bool
    writer: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a follower knows of one key: which round put it there, and its name on the other side."""

    entity: str
    key: Key
    peer_key: Key
    epoch: int
    round: int
    deleted: bool


@dataclass(frozen=True, slots=True)
class Change:
    """What a round does to one entity on the follower: `rows` None deletes. `key` is the follower's key."""

    entity: str
    key: Key
    peer_key: Key
    rows: Rows | None
    before: Rows | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """One quarantined key of the authority; `root_*` name its aggregate; `waits_for`: it is well itself."""

    entity: str
    key: Key  # the authority's key
    root_entity: str
    root_key: Key
    error: str
    deleted: bool = False
    waits_for: str = ""
    since: float = 0.0
    tries: int = 1
