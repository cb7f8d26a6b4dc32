"""Are the two databases still those that we knew? A lost tail, a restore or a failover is noticed here.

What tells (measured): a crash with asynchronous commit changes no id, a restored SQLite file neither; so
beside the database's identity we compare what the follower remembers with what the authority knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sync.core.records import Incarnation, Seen
from sync.core.values import Side


class Life(StrEnum):
    """What became of the databases since the follower last looked."""

    SAME = "same"
    LOST_TAIL = "lost tail"  # commits that we have applied are not there
    RESTORED = "restored"  # another past: the same number names another row
    FAILED_OVER = "failed over"  # another server, or another timeline
    FOLLOWER_LOST = "follower lost"  # it is the follower's database that has lost rounds


@dataclass(frozen=True, slots=True)
class Verdict:
    """What it is, and the sentence with the cure ("" when nothing happened)."""

    life: Life
    sentence: str = ""

    @property
    def stop(self) -> bool:
        """Whether the slice has to stop until a person has looked."""
        return self.life is not Life.SAME


CURE = (
    "the slice stops, because going on would overwrite what the follower still has: `strangler sync accept "
    "SLICE` writes that into a file, begins a new epoch and asks for a full verify"
)


def look(seen: Seen, now: Incarnation, nonce: str | None, remembered: str = "") -> Verdict:
    """Judge what the authority says `now` by what the follower has `seen`.

    `nonce`: of the authority's outbox row `seen.acked_seq`, where acknowledged rows are kept ("" when it is
    gone), else None. `remembered`: the identity that was noted for this database ("" if none was).
    A follower may be one round ahead: the acknowledgement is committed after the round.
    """
    found = _lost(seen, now) or _another_life(seen, now, nonce, remembered)
    return Verdict(*found) if found else Verdict(Life.SAME)


def _lost(seen: Seen, now: Incarnation) -> tuple[Life, str] | None:
    """Numbers that can only fall when commits are gone."""
    if now.last_seq < seen.acked_seq:
        return (
            Life.LOST_TAIL,
            (
                f"the authority's outbox ends at {now.last_seq}, and {seen.acked_seq} was applied already: "
                f"its database lost commits; {CURE}"
            ),
        )
    if 0 <= now.round < seen.round - 1:
        return (
            Life.LOST_TAIL,
            (
                f"the authority knows of round {now.round}, and the follower of round {seen.round}: the "
                f"authority's database lost commits; {CURE}"
            ),
        )
    if now.round > seen.round:
        return (
            Life.FOLLOWER_LOST,
            (
                f"the follower knows of round {seen.round}, and had acknowledged round {now.round}: the "
                "follower's database lost commits, and what was acknowledged is not sent again; `strangler "
                "sync accept SLICE` begins a new epoch, then `strangler backfill SLICE` brings all again"
            ),
        )
    return None


def _another_life(
    seen: Seen, now: Incarnation, nonce: str | None, remembered: str
) -> tuple[Life, str] | None:
    """The same numbers in another database, or in another past of this one."""
    if nonce is not None and seen.acked_seq and nonce != seen.acked_nonce:
        return (
            Life.RESTORED,
            (
                f"row {seen.acked_seq} of the authority's outbox is not the one that was applied: its "
                f"database was restored, or the outbox was emptied by hand; {CURE}"
            ),
        )
    if remembered and remembered != now.identity:
        return (
            Life.FAILED_OVER,
            (
                f"the authority's database was {remembered} and is {now.identity}: a failover or a restore, "
                f"which may have lost its last commits; {CURE}"
            ),
        )
    return None


def judge(seen: Seen, now: Incarnation, nonce: str | None, remembered: str = "") -> str:
    """The sentence that stops the slice, or ""."""
    return look(seen, now, nonce, remembered).sentence


def unannounced(seen: Seen, now: Incarnation) -> bool:
    """Whether the follower's last round never reached the authority (a crash between the two commits).

    It has to be noted there before another round commits: two such crashes in a row look like a lost tail.
    """
    return 0 <= now.round < seen.round


def forgotten(authority: Side, epoch: int, lease_epoch: int) -> str:
    """Why a half-done flip may not be brought to its end: the side that it would open was open before.

    A side opens by storing its epoch in its lease row, and as a follower it stores the other side's. So an
    authority whose lease is ahead of its own row has followed an epoch of the other side that is gone there.
    """
    if lease_epoch <= epoch:
        return ""
    other = authority.other
    cure = f"`strangler flip SLICE --abort` opens {authority} with it; then `strangler backfill SLICE`"
    return (
        f"{authority} has followed {other} in epoch {lease_epoch}, of which {other} knows nothing: its "
        f"database was restored. What was written there is on {authority} alone, as far as rounds went: "
        f"{cure} brings {other} what it lacks"
    )
