"""Whether the two databases of a slice compare text alike, as far as it can lose or hold up data.

How text is *sorted* does not matter to us: every walk over keys goes by one database's own order. What is
*one* does: values that differ under one side's unique index, and are one under the other's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sync.core.audit import Finding
from sync.core.values import Side


@dataclass(frozen=True, slots=True)
class Collations:
    """One side. `sorts`: its default order, "" where the engine has only bytes.

    By entity, an index and its table in words: `blind` takes differing values for one (NOCASE, citext, a
    nondeterministic collation), `computed` is unique by an expression, such as lower(email).
    """

    sorts: str = ""
    blind: Mapping[str, str] = field(default_factory=dict)
    computed: Mapping[str, str] = field(default_factory=dict)


def apart(
    entities: Iterable[str], legacy: Collations, extracted: Collations
) -> Iterator[tuple[Side, Finding]]:
    """What is said of the two beside each other, each under the side that is stricter."""
    sides = {Side.LEGACY: legacy, Side.EXTRACTED: extracted}
    for entity in entities:
        for side, own in sides.items():
            other = sides[side.other]
            if entity not in other.blind and entity not in other.computed:
                if entity in own.blind:
                    yield side, _collation(side, entity, own.blind[entity])
                elif entity in own.computed:
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


def _collation(side: Side, entity: str, index: str) -> Finding:
    return Finding(
        "collations",
        index,
        f"to it values that differ (in case, for example) are one; the {side.other} side's tables of "
        f"{entity} have no such index, and would hold rows that the {side} side refuses",
        f"give both sides the same: a unique index of that kind on the {side.other} side, or one that tells "
        f"case apart on the {side} side",
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
