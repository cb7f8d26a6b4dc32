"""Whether the two databases of a slice are still those that knew each other."""

from __future__ import annotations

from sync.core.incarnation import Verdict, look
from sync.rounds import Lane


def life(lane: Lane) -> Verdict:
    """What became of the two databases, by the marks that each keeps of the other."""
    seen = lane.follower.seen(lane.spec.name)
    with lane.authority.snapshot(lane.spec.name) as view:
        nonce = view.nonce(seen.acked_seq) if lane.acks_on_follower else None
        return look(seen, view.incarnation, nonce, seen.identity)
