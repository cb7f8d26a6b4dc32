"""The typed walk: which leaves of two JSON values differ, within a budget.

It decides, so it is exact where it says "equal" and honest where it gives up: a walk that ends before it has
seen everything is never "equal".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from shadow.core.differences import MISSING, Difference, Kind, in_body
from shadow.core.json_text import Json, NumberText, TooDeep, canonical
from shadow.core.lists import pair_items
from shadow.core.paths import Path, generalise

_ASK_EVERY = 256  # nodes between two looks at the time budget


@dataclass(frozen=True, slots=True)
class Budgets:
    """How much one comparison may cost; `out_of_time` is asked now and then and may say stop."""

    differences: int = 1000
    depth: int = 200
    out_of_time: Callable[[], bool] = field(default=lambda: False)


@dataclass(frozen=True, slots=True)
class Walked:
    """The differences found, and which budget ended the walk (None: it saw everything)."""

    differences: tuple[Difference, ...]
    ended_by: str | None = None


class _Ended(Exception):
    """A budget is used up."""


def walk(old: Json, new: Json, budgets: Budgets, pair_keys: Mapping[tuple[str, ...], str]) -> Walked:
    """Compare two values; `pair_keys` names, by general path, the key that pairs the items of a list."""
    walker = _Walker(budgets, pair_keys)
    try:
        walker.compare(old, new, (), ())
    except _Ended as ended:
        return Walked(tuple(walker.found), str(ended))
    return Walked(tuple(walker.found))


class _Walker:
    def __init__(self, budgets: Budgets, pair_keys: Mapping[tuple[str, ...], str]) -> None:
        self.found: list[Difference] = []
        self._budgets = budgets
        self._pair_keys = pair_keys
        self._nodes = 0

    def compare(self, old: Json, new: Json, old_path: Path, new_path: Path) -> None:
        kind = type(old)
        if kind is not type(new):
            self._differ(_mixed_kind(old, new), old, new, old_path, new_path)
        elif kind is dict:
            self._enter(old_path)
            self._objects(old, new, old_path, new_path)
        elif kind is list:
            self._enter(old_path)
            self._arrays(old, new, old_path, new_path)
        elif old != new or (kind is float and canonical(old) != canonical(new)):  # -0.0 == 0.0 in Python
            self._differ(Kind.VALUE, old, new, old_path, new_path)

    def _enter(self, path: Path) -> None:
        if len(path) >= self._budgets.depth:
            raise _Ended("depth")
        self._spend(1)

    def _spend(self, nodes: int) -> None:
        before, self._nodes = self._nodes, self._nodes + nodes
        if before // _ASK_EVERY != self._nodes // _ASK_EVERY and self._budgets.out_of_time():
            raise _Ended("time")

    def _differ(self, kind: Kind, old: Json, new: Json, old_path: Path, new_path: Path) -> None:
        if len(self.found) >= self._budgets.differences:
            raise _Ended("differences")
        self.found.append(in_body(kind, old, new, old_path, new_path))

    def _objects(self, old: dict[str, Json], new: dict[str, Json], old_path: Path, new_path: Path) -> None:
        self._spend(len(old))
        for key, value in old.items():
            other = new.get(key, MISSING)
            if other is value:
                continue
            here, there = (*old_path, key), (*new_path, key)
            if other is MISSING:
                self._differ(Kind.MISSING, value, MISSING, here, there)
            else:
                self.compare(value, other, here, there)
        if new.keys() - old.keys():
            for key, value in new.items():
                if key not in old:
                    self._differ(Kind.EXTRA, MISSING, value, (*old_path, key), (*new_path, key))

    def _arrays(self, old: list[Json], new: list[Json], old_path: Path, new_path: Path) -> None:
        self._spend(len(old))
        try:
            pairing = pair_items(old, new, self._pair_keys.get(generalise(old_path), "id"))
        except (TooDeep, RecursionError):
            raise _Ended("depth") from None
        if pairing.reordered:
            self._differ(Kind.ORDER, old, new, old_path, new_path)
        for left, right in pairing.pairs:
            self.compare(old[left], new[right], (*old_path, left), (*new_path, right))
        for left in pairing.removed:
            self._differ(Kind.ITEM_REMOVED, old[left], MISSING, (*old_path, left), new_path)
        for right in pairing.added:
            self._differ(Kind.ITEM_ADDED, MISSING, new[right], old_path, (*new_path, right))


def _mixed_kind(old: Json, new: Json) -> Kind:
    if old is None or new is None:
        return Kind.NULL
    if _is_integer_text(old) and _is_integer_text(new):
        return Kind.VALUE  # 16 digits against 15: the same type, written in two ways here
    return Kind.TYPE


def _is_integer_text(value: Json) -> bool:
    if isinstance(value, NumberText):
        return value.lstrip("-").isdigit()
    return type(value) is int
