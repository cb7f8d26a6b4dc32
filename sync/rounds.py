"""One round of the relay: one snapshot of the authority, settled on the follower in one transaction.

The order of the steps is design: lease, authority rows, table locks, stamp, snapshot, apply, acknowledge.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from sync.conflicts import Wider, judge
from sync.core import conflicts, incarnation
from sync.core import rounds as core
from sync.core.authority import may_round
from sync.core.records import Mismatch, Progress, Settled
from sync.core.rounds import Named
from sync.core.values import Held, Side, SliceSpec
from sync.draft import Draft, Reading
from sync.errors import CannotApply, Overtaken, SliceStopped
from sync.ports import RoundTransaction, Session, Snapshot
from sync.reading import Reader

ROUND_LIMIT = 5000  # marks a round: on two shared cores about half a second of work, and no more

Step = Callable[[str], None]


def _no_step(_name: str) -> None:
    """Tests that kill at a step give their own."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One direction of one slice at one epoch, with a session on either side."""

    spec: SliceSpec
    source: Side
    epoch: int
    holder: str
    authority: Session
    follower: Session
    acks_on_follower: bool  # the authority's outbox keeps what is acknowledged (SQLite has one writer)
    step: Step = _no_step


@dataclass(frozen=True, slots=True)
class Work:
    """What a round settles beside what is pending.

    `keys`: of the authority. `redrive`: those in quarantine too (None: none, empty: all). `extras`: rows
    of the follower, by its keys, that a person named for removal (or the first backfill found).
    """

    keys: Collection[Named] = ()
    redrive: Collection[Named] | None = None
    extras: Collection[Named] = ()
    limit: int = ROUND_LIMIT
    progress: tuple[Progress, ...] = ()
    found: tuple[Mismatch, ...] = ()
    gone: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True)
class RoundResult:
    """`pending`: there may be more than this round could take; `absent` were asked for in vain.

    `pulled`: so many keys outside had what a key of this round was to get.
    """

    number: int
    marks: int = 0
    put: int = 0
    taken: int = 0
    unchanged: int = 0
    held: tuple[Held, ...] = ()
    absent: tuple[Named, ...] = ()
    pending: bool = False
    pulled: int = 0


def run_round(lane: Lane, work: Work | None = None) -> RoundResult:
    """Settle what is pending, and `work`. Raises Overtaken, Busy (nothing done), SliceStopped, …"""
    work = work or Work()
    pulled: set[Named] = set()
    for _ in range(conflicts.WIDENINGS):
        try:
            return _once(lane, work, pulled)
        except Wider as wider:
            pulled.update(wider.names)
            lane.step("round.widened")
    return _once(lane, work, pulled, may_grow=False)


def _once(lane: Lane, work: Work, pulled: Collection[Named], *, may_grow: bool = True) -> RoundResult:
    lane.step("round.enter")
    with lane.follower.begin_round(lane.spec.name, lane.holder, lane.epoch) as tx:
        lane.step("round.entered")
        _check_rows(lane, tx)
        with lane.authority.snapshot(lane.spec.name) as view:
            lane.step("round.snapshot")
            _check_life(lane, tx, view)
            reading = Reader(lane, tx, view, work).read(pulled)
            unannounced = incarnation.unannounced(tx.seen, view.incarnation)
        if unannounced:
            # A crash between our two commits; a second one before this is noted would look like a lost tail.
            lane.authority.acknowledge(lane.spec.name, (), tx.seen.round, tx.seen.acked_seq)
        number = tx.seen.round + 1
        result, settled = _settle(lane, tx, reading, work, number, may_grow=may_grow)
        lane.step("round.applied")
        tx.commit()
    lane.step("round.committed")
    lane.authority.acknowledge(lane.spec.name, reading.marks, number, settled.acked_seq)
    lane.step("round.acknowledged")
    return result


def _check_rows(lane: Lane, tx: RoundTransaction) -> None:
    row = lane.authority.authority(lane.spec.name)
    why = may_round(tx.authority, tx.seen.epoch, row, lane.epoch)
    if why:
        raise Overtaken(f"{lane.spec.name}: {why}")


def _check_life(lane: Lane, tx: RoundTransaction, view: Snapshot) -> None:
    name = lane.spec.name
    if not view.stamp.whole:
        raise SliceStopped(
            f"{name}: tables or triggers of the {lane.source} side are not as capture left them (a migration "
            f"ran?); look at them, then: strangler capture install {name}"
        )
    nonce = view.nonce(tx.seen.acked_seq) if lane.acks_on_follower else None
    why = incarnation.judge(tx.seen, view.incarnation, nonce, tx.seen.identity)
    now = lane.follower.seen(name) if why else tx.seen
    if (now.epoch, now.round) != (tx.seen.epoch, tx.seen.round):  # unlocked on SQLite: that explains it
        raise Overtaken(f"{name}: another relay's round came first")
    if why:
        raise SliceStopped(f"{name}: {why}")


def _settle(
    lane: Lane, tx: RoundTransaction, reading: Reading, work: Work, number: int, *, may_grow: bool
) -> tuple[RoundResult, Settled]:
    """Apply what can be applied. Keys that the follower's database refuses wait with their aggregates."""
    refused: dict[Named, str] = {}
    while True:
        draft = Draft(lane.spec, lane.source, lane.authority, lane.follower, tx, reading, refused)
        draft.make(work.extras)
        if may_grow and (outside := reading.claims.outside(reading.known)):
            raise Wider(outside)
        settled = _settled(tx, reading, work, draft, number)
        try:
            tx.apply(draft.ordered(), settled)
        except CannotApply as refusal:
            refused |= judge(draft, refusal, may_grow=may_grow)
            continue
        return _result(draft, reading, number), settled


def _settled(tx: RoundTransaction, reading: Reading, work: Work, draft: Draft, number: int) -> Settled:
    acked = core.upto(reading.marks, tx.seen.acked_seq)
    return Settled(
        round=number,
        acked_seq=acked,
        acked_nonce=reading.nonce if reading.marks else tx.seen.acked_nonce,
        held=tuple(draft.held),
        released=tuple(name for name in reading.redriven if name not in draft.waiting),
        identity=reading.identity,
        progress=work.progress,
        mismatches=work.found,
        settled=work.gone,
    )


def _result(draft: Draft, reading: Reading, number: int) -> RoundResult:
    return RoundResult(
        number,
        marks=len(reading.marks),
        put=sum(1 for each in draft.changes if each.rows is not None),
        taken=sum(1 for each in draft.changes if each.rows is None),
        unchanged=draft.unchanged,
        held=tuple(draft.held),
        absent=tuple(reading.absent),
        pending=len(reading.marks) >= reading.limit,
        pulled=len(reading.pulled),
    )
