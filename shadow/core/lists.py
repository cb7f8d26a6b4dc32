"""Which item of one list stands for which item of the other.

One row inserted on top must be one difference, not one per row below it. Linear in the bytes of both lists;
no search for a best alignment, which would be quadratic or worse on bodies that attackers choose.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

from shadow.core.json_text import Json, canonical


@dataclass(frozen=True, slots=True)
class Pairing:
    """Pairs of indices still to be compared, indices without a partner, and whether the order changed."""

    pairs: tuple[tuple[int, int], ...] = ()
    removed: tuple[int, ...] = ()
    added: tuple[int, ...] = ()
    reordered: bool = False


def pair_items(old: list[Json], new: list[Json], key: str) -> Pairing:
    """Pair equal items first, then objects with the same `key`, then what is left in order."""
    apart = _apart(old, new)
    if apart is not None and _in_place(old, new, apart) and _keys_in_place(old, new, apart, key):
        return Pairing(pairs=tuple((index, index) for index in apart))
    same, rest_old, rest_new = _equal_items(
        [canonical(item) for item in old], [canonical(item) for item in new]
    )
    keyed, rest_old, rest_new = _keyed_items(old, new, rest_old, rest_new, key)
    # What has a key and found no partner is another thing: it was removed or added, not changed.
    plain_old = [index for index in rest_old if _name(old[index], key) is None]
    plain_new = [index for index in rest_new if _name(new[index], key) is None]
    in_order = list(zip(plain_old, plain_new, strict=False))
    return Pairing(
        tuple(sorted(keyed + in_order)),
        tuple(sorted(set(rest_old) - {index for index, _ in in_order})),
        tuple(sorted(set(rest_new) - {index for _, index in in_order})),
        _out_of_order(same + keyed),
    )


def _apart(old: list[Json], new: list[Json]) -> list[int] | None:
    """Where two lists of one length differ, item by item; None where that is not known cheaply."""
    if len(old) != len(new):
        return None
    # Python's "different" is certain, its "equal" is not (1, 1.0, true): those go through the canonical form,
    # all at once, which is several times quicker than one by one.
    apart = [index for index, (left, right) in enumerate(zip(old, new, strict=True)) if left != right]
    places = set(apart)
    rest_old = [item for index, item in enumerate(old) if index not in places]
    rest_new = [item for index, item in enumerate(new) if index not in places]
    return apart if canonical(rest_old) == canonical(rest_new) else None


def _in_place(old: list[Json], new: list[Json], apart: list[int]) -> bool:
    """Whether the items here were changed in place: none of them stands elsewhere on the other side."""
    return {canonical(old[index]) for index in apart}.isdisjoint(canonical(new[index]) for index in apart)


def _keys_in_place(old: list[Json], new: list[Json], apart: list[int], key: str) -> bool:
    """Whether no item's key stands elsewhere on the other side."""
    names = [(_name(old[index], key), _name(new[index], key)) for index in apart]
    there = {name for _, name in names}
    return not any(mine is not None and mine != other and mine in there for mine, other in names)


def _equal_items(left: list[bytes], right: list[bytes]) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    places: defaultdict[bytes, list[int]] = defaultdict(list)
    for index in range(len(right) - 1, -1, -1):
        places[right[index]].append(index)  # popped from the end: lowest index first
    same: list[tuple[int, int]] = []
    rest: list[int] = []
    for index, item in enumerate(left):
        if places.get(item):
            same.append((index, places[item].pop()))
        else:
            rest.append(index)
    return same, rest, sorted(index for indices in places.values() for index in indices)


def _keyed_items(
    old: list[Json], new: list[Json], rest_old: list[int], rest_new: list[int], key: str
) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    by_key = {name: index for index in rest_new if (name := _name(new[index], key)) is not None}
    pairs: list[tuple[int, int]] = []
    for index in rest_old:
        name = _name(old[index], key)
        if name is not None and name in by_key:
            pairs.append((index, by_key.pop(name)))
    taken_old, taken_new = {a for a, _ in pairs}, {b for _, b in pairs}
    return (
        pairs,
        [index for index in rest_old if index not in taken_old],
        [index for index in rest_new if index not in taken_new],
    )


def _name(item: Json, key: str) -> bytes | None:
    if isinstance(item, dict) and key in item and not isinstance(item[key], dict | list):
        return canonical(item[key])
    return None


def _out_of_order(pairs: list[tuple[int, int]]) -> bool:
    partners = [right for _, right in sorted(pairs)]
    return any(before > after for before, after in pairwise(partners))
