"""One round of the relay: one snapshot of the authority, settled on the follower in one transaction.

The order of the steps is design: lease, authority rows, table locks, stamp, snapshot, apply, acknowledge.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from sync.conflicts import Wider, close, judge
from sync.core import conflicts, incarnation, keys
from sync.core import rounds as core
from sync.core.authority import may_round
from sync.core.conflicts import with_waiting
from sync.core.records import Mismatch, Progress, Settled
from sync.core.rounds import Named
from sync.core.values import Applied, Held, Key, Side, SliceSpec
from sync.draft import Draft, Reading
from sync.errors import CannotApply, Overtaken, SliceStopped
from sync.ports import RoundTransaction, Session, Snapshot

ROUND_LIMIT = 5000  # marks a round: on two shared cores about half a second of work, and no more
_NO_ROOT = "has none that we can see"  # what a row waits for that belongs to nothing
_PULLS = 16  # generations of parents that a part of a large set may pull in

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
            reading = _read(lane, tx, view, work, pulled)
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


def _after(lane: Lane, tx: RoundTransaction) -> int:
    return tx.seen.acked_seq if lane.acks_on_follower else 0


def _read(lane: Lane, tx: RoundTransaction, view: Snapshot, work: Work, pulled: Collection[Named]) -> Reading:
    after = _after(lane, tx)
    marks = list(view.pending(after, work.limit))
    nonce = view.nonce(marks[-1].seq) if marks and lane.acks_on_follower else ""
    reading = Reading(
        marks, nonce, view.incarnation.identity, core.marked(lane.spec, lane.source, marks), work.limit
    )
    reading.held = {(each.entity, each.key): each for each in tx.held()}
    _redrive(reading, work)
    asked = {name for name in work.keys if name not in reading.names}
    reading.names.update(dict.fromkeys(asked, False))
    _set_odd_aside(lane, view, reading)
    _find(view, reading, reading.names)
    _look_for_delete_marks(lane, tx, view, reading, asked, after)
    _pull_parents(lane, tx, view, reading)
    if pulled:
        _pull_holders(lane, tx, view, reading, pulled, after)
    return reading


def _pull_holders(
    lane: Lane, tx: RoundTransaction, view: Snapshot, reading: Reading, first: Collection[Named], after: int
) -> None:
    """A part of a large set may need what rows outside of it still have: they come along."""

    def pull(names: Collection[Named]) -> None:
        before = set(reading.names)
        _take_out(reading, names)
        asked = {name for name in names if name not in reading.names}
        reading.names.update(dict.fromkeys(asked, False))
        _find(view, reading, reading.names.keys() - before)
        _look_for_delete_marks(lane, tx, view, reading, asked, after)
        _pull_parents(lane, tx, view, reading)

    def more() -> None:
        marks = list(view.pending(after, conflicts.KEYS))
        if len(marks) > len(reading.marks):
            names = core.marked(lane.spec, lane.source, marks)
            fresh = names.keys() - reading.names.keys()
            reading.marks, reading.limit = marks, conflicts.KEYS
            reading.nonce = view.nonce(marks[-1].seq) if lane.acks_on_follower else ""
            reading.names.update({name: names[name] or reading.names.get(name, False) for name in names})
            _set_odd_aside(lane, view, reading)
            _find(view, reading, fresh)
            _look_for_delete_marks(lane, tx, view, reading, (), after)
            _pull_parents(lane, tx, view, reading)

    reading.pulled.update(first)
    pull(first)
    close(
        reading,
        lambda part: Draft(lane.spec, lane.source, lane.authority, lane.follower, tx, part, {}),
        pull,
        more,
    )


def _redrive(reading: Reading, work: Work) -> None:
    if work.redrive is not None:
        _take_out(reading, set(work.redrive) or set(reading.held))


def _take_out(reading: Reading, chosen: Collection[Named]) -> None:
    """Take keys out of quarantine into this round, with everything that waits for them."""
    for name in with_waiting(reading.held, chosen):
        each = reading.held.pop(name)
        reading.names[name] = reading.names.get(name, False) or each.deleted
        reading.redriven[name] = each


def _set_odd_aside(lane: Lane, view: Snapshot, reading: Reading) -> None:
    """Rows with a key that nothing can be asked by wait, each by itself, until a person has given it another."""
    odd = [name for name in reading.names if keys.is_odd(name[1])]
    for entity, found in core.by_entity(odd).items():
        root = lane.spec.entity(entity).root(lane.source).name
        there = view.existing(entity, found)
        for key in found:
            if key in there:
                reading.problems[entity, key] = keys.why_odd(key, root)
            else:
                reading.drop((entity, key))


def _find(view: Snapshot, reading: Reading, names: Collection[Named]) -> None:
    for entity, wanted in core.by_entity(names).items():
        reading.found.setdefault(entity, {}).update(view.rows(entity, wanted))


def _look_for_delete_marks(
    lane: Lane, tx: RoundTransaction, view: Snapshot, reading: Reading, asked: Collection[Named], after: int
) -> None:
    """Absent is not deleted: without a mark that says so, nobody touched the key, or we cannot see it."""
    odd = reading.problems.keys()
    unseen = [name for name in core.unseen(reading.names, reading.found) if name not in odd]
    for entity, absent in core.by_entity(unseen).items():
        root = lane.spec.entity(entity).root(lane.source).name
        said = view.pending_among(root, absent, after)
        known = tx.applied(entity, absent)
        taken = _taken(known, reading, entity)
        for key in absent:
            name = (entity, key)
            if said.get(key):
                reading.names[name] = True
            elif name in asked:
                reading.absent.append(name)
                del reading.names[name]
            elif key in said or (key in known and key not in taken):
                raise _blind(lane, name)
        _without_root(lane, view, reading, [(entity, key) for key in absent if key not in taken])


def _taken(known: Mapping[Key, Applied], reading: Reading, entity: str) -> set[Key]:
    """Those whose root an earlier round saw deleted: what is left of them may be deleted later than it."""
    held = {key for (name, key), each in reading.held.items() if name == entity and each.deleted}
    return held | {key for key, each in known.items() if each.deleted}


def _without_root(lane: Lane, view: Snapshot, reading: Reading, absent: Collection[Named]) -> None:
    """Rows of further tables whose root is not there and never came over: nothing can be made of them."""
    alone = [name for name in absent if reading.names.get(name) is False]
    gone = core.left(lane.spec, lane.source, reading.marks) if alone else {}
    for entity, wanted in core.by_entity(alone).items():
        root = lane.spec.entity(entity).root(lane.source).name
        left = view.left_alone(entity, wanted)
        for key in wanted:
            name = (entity, key)
            if key in left:
                reading.problems[name] = (
                    f"{left[key]} has a row of it, and {root} {_NO_ROOT}: add that row, or delete the one in "
                    f"{left[key]}"
                )
            elif not gone.get(name):
                raise _blind(lane, name)
            elif name not in reading.held or _NO_ROOT in reading.held[name].error:
                reading.drop(name)  # born and gone between two rounds, or mended


def _blind(lane: Lane, name: Named) -> SliceStopped:
    return SliceStopped(
        f"{lane.spec.name}: {core.spelled(name)} was touched, was not deleted, and cannot be seen on the "
        f"{lane.source} side (row level security? a table rewritten or detached?); nothing was applied. "
        f"Make it visible to sync's role, then: strangler capture audit {lane.spec.name}"
    )


def _pull_parents(lane: Lane, tx: RoundTransaction, view: Snapshot, reading: Reading) -> None:
    """A part of a large set may name a child before its parent: the parent comes along."""
    fresh = reading.found
    for _ in range(_PULLS):
        wanted = {
            target
            for _, target in core.needed(lane.spec, lane.source, fresh, reading.problems)
            if target not in reading.names
        }
        for entity, targets in core.by_entity(wanted).items():
            there = tx.applied(entity, targets)
            wanted -= {(entity, key) for key, each in there.items() if not each.deleted}
        if not wanted:
            return
        fresh = {
            entity: dict(view.rows(entity, targets)) for entity, targets in core.by_entity(wanted).items()
        }
        for entity, rows in fresh.items():
            reading.found.setdefault(entity, {}).update(rows)
            reading.names.update({(entity, key): False for key in rows})


def _settle(
    lane: Lane, tx: RoundTransaction, reading: Reading, work: Work, number: int, *, may_grow: bool
) -> tuple[RoundResult, Settled]:
    """Apply what can be applied. Keys that the follower's database refuses wait with their aggregates."""
    refused: dict[Named, str] = {}
    while True:
        draft = Draft(lane.spec, lane.source, lane.authority, lane.follower, tx, reading, refused)
        draft.make(work.extras)
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
