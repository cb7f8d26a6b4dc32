"""The fuse: an outbox that nobody empties must never fill the monolith's disk."""

from __future__ import annotations

from dataclasses import dataclass

HARD = 5
"""Times `outbox_max`, at which capture is dropped: a mark takes some hundred bytes, the default's end is then
about a gigabyte."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Marks, and seconds that the oldest may wait, before somebody is told."""

    outbox_max: int = 1_000_000
    outbox_age: float = 86_400.0


@dataclass(frozen=True, slots=True)
class Fuse:
    """What the outbox of the authority holds; `flipped`: the authority is the extracted side."""

    pending: int
    age: float = 0.0
    flipped: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """`warn`: tell somebody. `page`: wake somebody. `drop`: take the triggers away now."""

    warn: bool = False
    page: bool = False
    drop: bool = False
    sentence: str = ""


def judge(now: Fuse, limits: Limits) -> Verdict:
    """Nothing, a warning, or the end of capture.

    Age alone never drops capture: a single mark that waits for a week fills no disk. While the service is the
    authority capture is never dropped, because legacy would go stale with no way back: that only pages.
    """
    hard = limits.outbox_max * HARD
    if now.pending >= hard:
        return _full(now, hard)
    if now.pending >= limits.outbox_max:
        return Verdict(
            warn=True,
            sentence=f"{now.pending:,} changes wait in the outbox (outbox_max {limits.outbox_max:,}); at "
            f"{hard:,} "
            + ("somebody is paged" if now.flipped else "capture is dropped")
            + ": does `strangler run sync` run?",
        )
    if now.age >= limits.outbox_age:
        return Verdict(
            warn=True,
            sentence=f"the oldest change has waited {now.age:,.0f} s in the outbox (outbox_age "
            f"{limits.outbox_age:,.0f} s): does `strangler run sync` run?",
        )
    return Verdict()


def _full(now: Fuse, hard: int) -> Verdict:
    if now.flipped:
        return Verdict(
            warn=True,
            page=True,
            sentence=f"{now.pending:,} changes wait in the outbox (limit {hard:,}), and capture stays, "
            "because the service is the authority: bring legacy's database back, or give this one room, now",
        )
    return Verdict(
        warn=True,
        page=True,
        drop=True,
        sentence=f"{now.pending:,} changes waited in the outbox (limit {hard:,}): capture was dropped "
        "before it fills the disk. Next: `strangler capture install`, then `strangler backfill` anew",
    )
