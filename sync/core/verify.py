"""When a difference between the two sides is proven, and when it is only something on its way. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from sync.core.values import Rows, alike


class Kind(StrEnum):
    """What is wrong with a key of the follower."""

    CHANGED = "changed"
    MISSING = "missing"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a key on the authority: its rows mapped to the follower's shape (None: not there).

    `on_its_way`: a mark is pending, or the key is in quarantine. `unmapped`: the mapping refuses the rows.
    """

    expected: Rows | None
    on_its_way: bool
    unmapped: str = ""


@dataclass(frozen=True, slots=True)
class There:
    """The key on the follower: its rows and the round that put them there (None: no round ever did)."""

    rows: Rows | None
    version: tuple[int, int] | None


class Answer(StrEnum):
    """What a sandwich says of a key."""

    EQUAL = "equal"
    UNSETTLED = "unsettled"  # look again: something was on its way
    PROVEN = "proven"


def sandwich(
    first: Look,
    there: There,
    second: Look,
    version: tuple[int, int] | None,
    same: Callable[[Rows, Rows], bool],
) -> tuple[Answer, Kind | None]:
    """Judge one key read on authority, follower and authority, and the follower's version again.

    A difference is proven only if both looks at the authority agree, nothing was on its way in either, and
    the follower's version did not move: no delay is long enough to prove it otherwise, and none is needed.
    """
    if is_equal(second, there, same):
        return Answer.EQUAL, None
    moved = not _agree(first.expected, second.expected) or first.unmapped != second.unmapped
    if first.on_its_way or second.on_its_way or moved or there.version != version:
        return Answer.UNSETTLED, None
    return Answer.PROVEN, kind_of(second, there)


def is_equal(look: Look, there: There, same: Callable[[Rows, Rows], bool]) -> bool:
    """Whether the follower has what the authority's rows map to."""
    if look.unmapped:
        return False
    if look.expected is None or there.rows is None:
        return look.expected is there.rows
    try:
        return same(look.expected, there.rows)
    except Exception:  # noqa: BLE001 - the mapping's values and its `same` are the user's code
        return False


def _agree(first: Rows | None, second: Rows | None) -> bool:
    """Whether two looks saw the same: a value that cannot be compared (a signalling NaN) by how it reads."""
    try:
        return first == second
    except Exception:  # noqa: BLE001 - see above
        return repr(first) == repr(second)


def kind_of(look: Look, there: There) -> Kind:
    """The name of a proven difference."""
    if there.rows is None:
        return Kind.MISSING
    return Kind.EXTRA if look.expected is None and not look.unmapped else Kind.CHANGED


def differing(expected: Rows | None, found: Rows | None) -> str:
    """The columns that differ, for people: names only, since the values may be nobody's business."""
    if expected is None or found is None:
        return ""
    names = []
    for table, row in expected.items():
        there = found.get(table) or {}
        names += [column for column, value in (row or {}).items() if not alike(value, there.get(column))]
    return ", ".join(sorted(names))
