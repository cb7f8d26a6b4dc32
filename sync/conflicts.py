"""What stands in the way of a round: found out on the follower, and brought into the round.

A round that takes a part of what is pending may need a value that a row outside of it still has. That row's
key comes in too, with whoever has what it is to get, and so on, until one transaction can settle them all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection

from sync.core import conflicts as core
from sync.core.rounds import Named, by_entity
from sync.draft import Draft, Reading
from sync.errors import CannotApply


class Wider(Exception):
    """The round is given up, to begin anew with these keys of the authority in it, too."""

    def __init__(self, names: Collection[Named]) -> None:
        """`names` were not known to the round."""
        self.names = names
        super().__init__(f"{len(names)} more keys")


def judge(draft: Draft, refusal: CannotApply, *, may_grow: bool) -> dict[Named, str]:
    """Which keys wait for what the follower's database said; Wider, when more keys may help."""
    said = draft.blame(refusal)
    _look(draft)
    reading, claims = draft.reading, draft.reading.claims
    outside = claims.outside(reading.known)
    if outside and may_grow:
        raise Wider(outside)
    mapped = reading.mapped.rows if reading.mapped else {}
    rivals = claims.rivals(draft.changes, {name: rows for name, (_, rows) in mapped.items()})
    stuck = claims.stuck({*draft.waiting, *reading.held})
    blamed = {
        name: _explained(reading, name, why, rivals)
        for name, why in core.blamed(said, rivals).items()
        if name not in stuck
    }
    # Whoever is stuck waits from now on without being blamed. One of the two goes on in any case.
    return blamed if blamed or stuck else said


def _explained(reading: Reading, name: Named, why: str, rivals: Collection[Named]) -> str:
    settled = {*reading.names, *reading.absent, *reading.held}
    holders = reading.claims.holders.get(name, {})
    if any(holder not in settled for holder in holders):
        return core.too_many(why)
    return reading.claims.explain(name, why, reading.absent, rivals)


def close(
    reading: Reading,
    draft_of: Callable[[Reading], Draft],
    pull: Callable[[Collection[Named]], None],
    more: Callable[[], None],
) -> None:
    """Bring in who has what the round needs, and who has what they are to get, while the snapshot is open.

    `pull` reads keys into the reading; `more`, where that goes on and on, what is pending next.
    """
    fresh = set(reading.names)
    for last in (False, True):
        for _ in range(core.GENERATIONS):
            fresh = _grown(reading, pull, _in_the_way(reading, draft_of, fresh))
            if not fresh:
                return
        if not last:
            before = set(reading.names)
            more()
            fresh |= reading.names.keys() - before


def _grown(
    reading: Reading, pull: Callable[[Collection[Named]], None], wanted: Collection[Named]
) -> set[Named]:
    """What has come in of the wanted keys and of those that they need: a round has room for so many."""
    before = set(reading.names)
    reading.pulled.update(wanted)
    room = sorted(wanted, key=repr)[: max(0, core.KEYS - len(before))]
    if room:
        pull(room)
    return reading.names.keys() - before


def _in_the_way(
    reading: Reading, draft_of: Callable[[Reading], Draft], names: Collection[Named]
) -> set[Named]:
    part = dataclasses.replace(
        reading,
        names={name: reading.names[name] for name in names},
        found=reading.found_of(names),
        held={},
        redriven={},
        mapped=None,
    )
    draft = draft_of(part)
    draft.make()
    reading.add(part)  # a mapping is asked once for each row
    _look(draft)
    return reading.claims.outside(reading.known)


def _look(draft: Draft) -> None:
    """Ask the follower who has what the changes need, and by which name the authority knows them."""
    found = draft.tx.claims(draft.changes)
    names = {(each.entity, each.key): (each.entity, each.peer_key) for each in draft.changes}
    for entity, keys in by_entity({each.holder for each in found} - names.keys()).items():
        here = draft.follower.applied(draft.spec.name, entity, keys)
        names |= {(entity, key): (entity, each.peer_key) for key, each in here.items() if not each.deleted}
        # Rows that were born on this side are known to the other, which has applied them.
        born_here = draft.authority.applied_of(
            draft.spec.name, entity, [key for key in keys if key not in here]
        )
        names |= {(entity, key): (entity, each.key) for key, each in born_here.items() if not each.deleted}
    draft.reading.claims.add(found, names)
