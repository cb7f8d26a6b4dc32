"""After a failover or a restore: what the follower still has is kept in writing, then the slice may go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sync.core import rounds as core
from sync.core.incarnation import Life, Verdict
from sync.core.records import Progress, Seen, Settled
from sync.core.values import Entity, Key, Rows
from sync.errors import Refused
from sync.flip import Announcer, Flipped
from sync.life import life
from sync.ports import Snapshot
from sync.recover import new_epoch
from sync.relay import Sessions
from sync.rounds import Lane

_CHUNK = 1000  # keys a look


@dataclass(frozen=True, slots=True)
class Kept:
    """One row of the follower that the authority has not, or has otherwise; `peer_key` is the authority's."""

    entity: str
    key: Key
    peer_key: Key | None
    kind: str  # "lost": the authority has no such row; "other": it has another one
    rows: Rows


def still_there(lane: Lane) -> Iterator[Kept]:
    """Everything that the follower has and the authority has not, or has otherwise: no round runs now.

    Rows that the authority has written since and that wait in its outbox are among them: nobody can tell
    those from what it lost.
    """
    for entity in lane.spec.entities:
        after: Key | None = None
        while True:
            with lane.follower.snapshot(lane.spec.name) as view:
                keys = view.keys_after(entity.name, after, _CHUNK)
                theirs = dict(view.rows(entity.name, keys))
            if not keys:
                break
            yield from _differing(lane, entity, theirs)
            after = keys[-1]


def _differing(lane: Lane, entity: Entity, theirs: Mapping[Key, Rows]) -> Iterator[Kept]:
    peers = dict(lane.follower.peers(lane.spec.name, entity.name, list(theirs)))
    unknown = {key: rows for key, rows in theirs.items() if key not in peers}
    back = core.map_rows(lane.spec, lane.source.other, {entity.name: unknown}).rows
    peers.update({key: found[0] for (_, key), found in back.items()})
    with lane.authority.snapshot(lane.spec.name) as view:
        ours = dict(view.rows(entity.name, list(peers.values())))
    expected = core.map_rows(lane.spec, lane.source, {entity.name: ours}).rows
    for key, rows in theirs.items():
        peer = peers.get(key)
        found = expected.get((entity.name, peer)) if peer is not None else None
        if found is None or not core.same(entity, found[1], rows):
            yield Kept(entity.name, key, peer, "other" if peer in ours else "lost", rows)


def accept(
    both: Sessions, keep: Callable[[Kept], None], announcer: Announcer | None = None
) -> tuple[Verdict, int, Flipped]:
    """Let a slice go on that stopped for what became of a database: a person has looked.

    First `keep` is given every row that the follower has and the authority has not. Then a new epoch begins,
    what both sides remember of each other is made anew, and a full verify (after a loss on the follower a
    full backfill too) is asked for before the next flip. Refused when nothing has happened.
    """
    lane = both.lane()
    found = life(lane)
    if not found.stop:
        raise Refused(
            f"{lane.spec.name}: both databases are those that sync knew; there is nothing to accept"
        )
    kept = 0
    for each in still_there(lane):
        keep(each)
        kept += 1
    done = new_epoch(both, announcer)
    _remember(both.lane(), found.life)
    return found, kept, done


def _remember(lane: Lane, what: Life) -> None:
    """A round that changes no row: it notes which database this is now, and counts on from both words."""
    name = lane.spec.name
    with lane.follower.begin_round(name, lane.holder, lane.epoch) as tx:
        with lane.authority.snapshot(name) as view:
            settled = _anew(lane, tx.seen, view, what)
        tx.apply([], settled)
        tx.commit()
    lane.authority.acknowledge(name, (), settled.round, settled.acked_seq)


def _anew(lane: Lane, seen: Seen, view: Snapshot, what: Life) -> Settled:
    # Everything that the outbox still has counts as pending: applying it again changes nothing.
    return Settled(
        round=max(seen.round, view.incarnation.round) + 1,
        acked_seq=0,
        identity=view.incarnation.identity,
        progress=tuple(_walks(lane, what)),
        log=False,
    )


def _walks(lane: Lane, what: Life) -> Sequence[Progress]:
    walks = ("verify", "backfill") if what is Life.FOLLOWER_LOST else ("verify",)
    return [Progress(walk, entity.name, lane.epoch) for walk in walks for entity in lane.spec.entities]
