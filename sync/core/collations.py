"""Whether the two databases of a slice compare text alike, as far as it can lose or hold up data.

How text is *sorted* does not matter to us: every walk over keys goes by one database's own order. What is
*one* does: values that differ under one side's unique index, and are one under the other's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sync.core.audit import Finding
from sync.core.values import Side


class Fold(StrEnum):
    """In what values may differ and be one to a unique index."""

    ASCII = "the case of A to Z"  # NOCASE, and all that fold more case
    CASE = "the case of other letters"  # citext, a collation of ICU's of the second strength
    ACCENTS = "accents"  # one of the first strength
    FORM = "how a letter is put together (é of one character or of two)"  # any nondeterministic one
    SPACES = "spaces at their end"  # RTRIM
    PADDING = "spaces at their end, which it fills up"  # char(n)


_COMPUTED = frozenset({Fold.ASCII, Fold.CASE})  # lower(email), nearly always
_SAME: Mapping[str, Fold] = {Fold.SPACES: Fold.PADDING, Fold.PADDING: Fold.SPACES}
_MILD: frozenset[str] = frozenset({Fold.FORM, Fold.PADDING})


@dataclass(frozen=True, slots=True)
class Collations:
    """One side. `sorts`: its default order, "" where the engine has only bytes.

    By entity, an index and its table in words: `blind` takes values for one that differ in what is said (a
    `Fold`, or a collation of the user's by name), `computed` is unique by an expression, as lower(email).
    """

    sorts: str = ""
    blind: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    computed: Mapping[str, str] = field(default_factory=dict)


def apart(
    entities: Iterable[str], legacy: Collations, extracted: Collations
) -> Iterator[tuple[Side, Finding]]:
    """What is said of the two beside each other, each under the side that is stricter."""
    sides = {Side.LEGACY: legacy, Side.EXTRACTED: extracted}
    for entity in entities:
        for side, own in sides.items():
            other = sides[side.other]
            yield from ((side, each) for each in _blinder(side, entity, own, other))
            if entity in own.computed and not (
                entity in other.computed or _COMPUTED & other.blind.get(entity, {}).keys()
            ):
                yield side, _expression(side, entity, own.computed[entity])
    if legacy.sorts and extracted.sorts and legacy.sorts != extracted.sorts:
        yield (
            Side.EXTRACTED,
            Finding(
                "sorting",
                "the database",
                f"it sorts text by {extracted.sorts}, legacy's by {legacy.sorts}: lists that the database "
                "sorts come in another order after a move (no row is lost by it)",
                'sort by COLLATE "C" on both sides where the order is seen',
                fatal=False,
            ),
        )


def _blinder(side: Side, entity: str, own: Collations, other: Collations) -> Iterator[Finding]:
    """What this side alone takes for one, by index."""
    theirs: set[str] = {*other.blind.get(entity, {}), *(_COMPUTED if entity in other.computed else ())}
    alone: dict[str, list[str]] = {}
    for fold, index in own.blind.get(entity, {}).items():
        if fold not in theirs and _SAME.get(fold) not in theirs:
            alone.setdefault(index, []).append(fold)
    for index, folds in alone.items():
        strict = [each for each in folds if not _is_mild(each, theirs)]
        yield _collation(side, entity, index, strict or folds, fatal=bool(strict))


def _is_mild(fold: str, theirs: Collection[str]) -> bool:
    """Told, and nothing is refused: rare, or the other engine has nothing nearer."""
    return fold in _MILD or (fold == Fold.CASE and Fold.ASCII in theirs)


def _collation(side: Side, entity: str, index: str, folds: list[str], *, fatal: bool) -> Finding:
    return Finding(
        "collations",
        index,
        f"to it values are one that differ in {' or '.join(folds)}; the {side.other} side's tables of "
        f"{entity} have no such index, and would hold rows that the {side} side refuses",
        f"give both sides the same: a unique index of that kind on the {side.other} side, or one that tells "
        f"such values apart on the {side} side",
        fatal=fatal,
    )


def _expression(side: Side, entity: str, index: str) -> Finding:
    return Finding(
        "unique-by-expression",
        index,
        f"it is unique by an expression, and the {side.other} side's tables of {entity} have no such index: "
        f"what the {side.other} side takes may be refused here, and wait in quarantine",
        f"give the {side.other} side the same index, unless something else keeps such rows out",
        fatal=False,
    )
