"""Whether the two databases of a slice are still those that knew each other."""

from __future__ import annotations

from dataclasses import replace

from sync.core.incarnation import Verdict, look
from sync.rounds import Lane


def life(lane: Lane) -> Verdict:
    """What became of the two databases, by the marks that each keeps of the other.

    Rounds go on meanwhile: at the moment of the follower's word the authority's lay between what it said
    before and after. Only what fits none of these is a loss.
    """
    name = lane.spec.name
    with lane.authority.snapshot(name) as view:
        before = view.incarnation.round
    seen = lane.follower.seen(name)
    with lane.authority.snapshot(name) as view:
        nonce = view.nonce(seen.acked_seq) if lane.acks_on_follower else None
        after = view.incarnation
    now = replace(after, round=min(max(seen.round, before), after.round))
    return look(seen, now, nonce, seen.identity)
