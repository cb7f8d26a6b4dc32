"""Repair and redrive: rounds for keys that a person or verify named, ordered by the lease like any other."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sync import rounds
from sync.core import keys
from sync.core.records import Mismatch
from sync.core.rounds import Named
from sync.core.values import Key
from sync.core.verify import Kind
from sync.rounds import Lane, Work, run_round
from sync.verify import Verified, compare

_AT_ONCE = 1000
_BOTH_WAYS = 2


@dataclass(frozen=True, slots=True)
class Repaired:
    """`left`: still different afterwards. `extras`: rows that only the follower has and nobody named."""

    repaired: int
    left: tuple[Mismatch, ...]
    extras: tuple[Mismatch, ...]


def repair(lane: Lane, chosen: Collection[Mismatch], *, remove_extras: bool = False) -> Repaired:
    """Settle proven differences from the authority, then look again at each.

    A row that only the follower has is removed when `remove_extras` says so, for it may be the last copy.
    """
    extras = [each for each in chosen if each.kind == Kind.EXTRA.value]
    nameless = [each for each in extras if keys.is_odd(each.key)]  # only who knows the row can mend it
    extras = [each for each in extras if each not in nameless]
    others = [each for each in chosen if each.kind != Kind.EXTRA.value]
    left: list[Mismatch] = []
    for at in range(0, len(others), _AT_ONCE):
        left += _settle(lane, others[at : at + _AT_ONCE])
    if remove_extras and extras:
        names = [(each.entity, each.key) for each in extras]
        run_round(lane, Work(extras=names, gone=tuple(names)))
    kept = (*(() if remove_extras else extras), *_still_there(lane, nameless))
    return Repaired(len(chosen) - len(left) - len(kept), tuple(left), kept)


def redrive(lane: Lane, chosen: Collection[Named] = ()) -> None:
    """Try what is in quarantine again (all of it, or the named keys with what waits for them).

    A great deal of it goes in parts, the newest first, and then the other way round: where each row is to get
    what the next one has, they are free from one end.
    """
    todo = [name for name in _in_quarantine(lane) if not chosen or name in chosen][::-1]
    in_vain = 0
    while todo and in_vain < _BOTH_WAYS:
        for at in range(0, len(todo), rounds.ROUND_LIMIT):
            run_round(lane, Work(redrive=todo[at : at + rounds.ROUND_LIMIT]))
        still = set(_in_quarantine(lane))
        left = [name for name in todo if name in still]
        if len(todo) <= rounds.ROUND_LIMIT:
            return  # a single part was tried as a whole
        in_vain = in_vain + 1 if len(left) == len(todo) else 0
        todo = left[::-1]


def _in_quarantine(lane: Lane) -> list[Named]:
    return [(each.entity, each.key) for each in lane.follower.held(lane.spec.name)]


def _still_there(lane: Lane, nameless: Collection[Mismatch]) -> list[Mismatch]:
    """Those of the follower's rows without a name that nobody has mended yet; the others are forgotten."""
    still: list[Mismatch] = []
    for each in nameless:
        with lane.follower.snapshot(lane.spec.name) as view:
            there = view.existing(each.entity, [each.key])
        if there:
            still.append(each)
        else:
            lane.follower.keep_mismatches(lane.spec.name, (), [(each.entity, each.key)])
    return still


def _settle(lane: Lane, wrong: Collection[Mismatch]) -> list[Mismatch]:
    names = {(each.entity, _authority_key(lane, each)): each for each in wrong}
    run_round(lane, Work(keys=list(names)))
    left: list[Mismatch] = []
    for entity in lane.spec.entities:
        mine = {key: each.key for (name, key), each in names.items() if name == entity.name}
        if mine:
            looked: Verified = compare(lane, entity, mine)
            left += looked.found
            lane.follower.keep_mismatches(lane.spec.name, looked.found, looked.gone)
    return left


def _authority_key(lane: Lane, each: Mismatch) -> Key:
    # Without an applied row the mismatch carries the authority's own key.
    peers = lane.follower.peers(lane.spec.name, each.entity, [each.key])
    return next(iter(peers.values()), each.key)
