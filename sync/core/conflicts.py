"""Rows of the follower that stand in the way of a round: who has what another row is to get. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from sync.core.rounds import Named, spelled
from sync.core.values import Change, Held, Rows

# A round begins anew with the keys that stand in its way; from then on all of them are looked for beforehand.
WIDENINGS = 3
# Holders of what holders are to get: a question to either side each, about 4 ms. Longer chains come of bulk
# updates: then what is pending next comes along, too.
GENERATIONS = 100
# Keys of a round that grows: on two shared cores about 2 seconds of reading, of the 5 that a lease may rest.
KEYS = 20_000


@dataclass(frozen=True, slots=True)
class Claim:
    """A change needs what another row has: unique values, or (a delete) that it refers to nothing any more.

    Both rows are named by the follower's keys; `columns` are empty where a value is no plain column's.
    """

    wanter: Named
    holder: Named
    table: str
    columns: tuple[str, ...]


@dataclass(slots=True)
class Claims:
    """What was found, by the authority's names; `foreign` rows have none: no round has put them there."""

    holders: dict[Named, dict[Named, Claim]] = field(default_factory=dict)
    foreign: dict[Named, Claim] = field(default_factory=dict)

    def add(self, found: Iterable[Claim], names: Mapping[Named, Named]) -> None:
        """Take claims in; `names`: the authority's of the follower's rows, where there are any."""
        for each in found:
            wanter, holder = names[each.wanter], names.get(each.holder)
            if holder is None:
                self.foreign[wanter] = each
            elif holder != wanter:
                self.holders.setdefault(wanter, {})[holder] = each

    def same_name(self, wanter: Named, holder: Named) -> None:
        """Both are to be the same row of the follower; the holder has it."""
        self.holders.setdefault(wanter, {})[holder] = Claim(wanter, holder, "", ())

    def outside(self, inside: Collection[Named]) -> set[Named]:
        """The holders that the round does not know yet."""
        return {holder for holders in self.holders.values() for holder in holders if holder not in inside}

    def stuck(self, waiting: Collection[Named]) -> dict[Named, Named]:
        """Who cannot go on while `waiting` keep what they have, through any number of rows, and for whom."""
        behind: dict[Named, list[Named]] = {}
        for wanter, holders in self.holders.items():
            for holder in holders:
                behind.setdefault(holder, []).append(wanter)
        found: dict[Named, Named] = {}
        todo = sorted(waiting, key=repr)  # the same words each time
        while todo:
            holder = todo.pop()
            fresh = [each for each in behind.get(holder, ()) if each not in waiting and each not in found]
            found.update(dict.fromkeys(fresh, holder))
            todo += fresh
        return found

    def rivals(self, changes: Iterable[Change], wanted: Mapping[Named, Rows]) -> dict[Named, Named]:
        """Who is to get what its holder keeps, and that holder: the authority has the same in both.

        `wanted`: what the round knows of each key, in the follower's shape.
        """
        found: dict[Named, Named] = {}
        for each in changes:
            wanter = (each.entity, each.peer_key)
            for holder, claim in self.holders.get(wanter, {}).items():
                if _same(claim, each.rows, wanted.get(holder)):
                    found[wanter] = holder
        return found

    def explain(self, name: Named, said: str, absent: Collection[Named], rivals: Collection[Named]) -> str:
        """What the database said of `name`, with who has the value and what can be done about it."""
        foreign = self.foreign.get(name)
        if foreign is not None:
            return (
                f"{said}; {spelled(foreign.holder)} of this database has it, and no round has put it there: "
                "verify lists it, repair with --remove-extras takes it away; then redrive"
            )
        for holder in self.holders.get(name, {}):
            who = f"{said}; {spelled(holder)} has it"
            if holder in absent:
                return f"{who} here, and is gone from the other side without a mark: verify, then redrive"
            return f"{who}, on the other side too" if name in rivals else f"{who} until now"
        return said


def too_many(said: str) -> str:
    """The same, for a conflict that would make a round too large."""
    return (
        f"{said}; more than {KEYS} keys, or {GENERATIONS} one behind the other, would have to change at "
        "once: redrive when nothing is pending"
    )


def blamed(refused: Mapping[Named, str], rivals: Mapping[Named, Named]) -> dict[Named, str]:
    """Whom a refusal is laid to: of two rows that are to have the same, not the one that has it already."""
    found: dict[Named, str] = {}
    for name, why in refused.items():
        newcomers = [each for each, holder in rivals.items() if holder == name]
        guilty = [name] if name in rivals or not newcomers else newcomers
        found.update(dict.fromkeys(guilty, why))
    return found


def with_waiting(held: Mapping[Named, Held], chosen: Collection[Named]) -> set[Named]:
    """The chosen keys of quarantine with their aggregates, and all that waits for one of them."""
    roots: dict[Named, list[Named]] = {}
    waits: dict[str, list[Named]] = {}
    for name, each in held.items():
        roots.setdefault((each.root_entity, each.root_key), []).append(name)
        waits.setdefault(each.waits_for, []).append(name)
    found: set[Named] = set()
    todo = [name for name in chosen if name in held]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += roots[held[name].root_entity, held[name].root_key]
            todo += waits.get(spelled(name), ())
    return found


def _same(claim: Claim, wanted: Rows | None, kept: Rows | None) -> bool:
    if not claim.columns or wanted is None or kept is None:
        return False
    mine, theirs = wanted.get(claim.table) or {}, kept.get(claim.table) or {}
    return all(name in mine and name in theirs and mine[name] == theirs[name] for name in claim.columns)
