"""What the newest lines of a follower's log say of the keys that its last rounds changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sync.core import keys
from sync.core.rounds import Named
from sync.core.values import Applied

THROUGH = "through"
"""The walk in the progress whose `done` is the round by whose end every key of the entity was compared."""
Line = tuple[int, int, str, str]
"""Position (from 1, gapless), round, entity, and the service's key as it is spelled there."""


def changed(newest_first: Iterable[Line], number: int) -> set[Named] | None:
    """The keys of rounds after `number`; None when these lines do not reach back so far."""
    found: set[Named] = set()
    oldest = 0
    for position, each, entity, key in newest_first:
        if each <= number:
            return found
        found.add((entity, keys.parse(key)))
        oldest = position
    return found if oldest == 1 else None


def applied_rows(rows: Iterable[tuple[Any, ...]]) -> list[Applied]:
    """Rows of the map (entity, key, peer_key, epoch, round, deleted) with their keys parsed."""
    return [
        Applied(entity, keys.parse(key), keys.parse(peer), epoch, number, bool(deleted))
        for entity, key, peer, epoch, number, deleted in rows
    ]
