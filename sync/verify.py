"""Compare the two sides while both are in use: chunk by chunk; no difference is told before it is proven."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sync.core import keys as spelled
from sync.core import rounds as core
from sync.core.authority import may_round
from sync.core.recent import THROUGH
from sync.core.records import Mismatch, Progress
from sync.core.rounds import Named
from sync.core.values import Entity, Key
from sync.core.verify import Answer, Kind, Look, There, differing, is_equal, sandwich
from sync.errors import Overtaken
from sync.ports import Session
from sync.rounds import Lane

CHUNK = 2000  # keys: a chunk holds a snapshot of each side for some tens of milliseconds
LOOKS = 40  # at a key that is on its way, with a pause between; then the chunk does not count as passed
_PAUSE = 0.05  # seconds

Tell = Callable[[str, int], None]  # entity, keys looked at since the last call


@dataclass(slots=True)
class Verified:
    """What one pass found: `unsettled` keys changed faster than they could be looked at."""

    keys: int = 0
    found: list[Mismatch] = field(default_factory=list)
    gone: list[Named] = field(default_factory=list)
    unsettled: list[Named] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether every key was looked at and none differs."""
        return not self.found and not self.unsettled


def verify(lane: Lane, tell: Tell = lambda _entity, _keys: None, *, chunk: int = CHUNK) -> Verified:
    """One pass over every key of both sides; progress and proven differences are kept on the follower."""
    verified = Verified()
    began = lane.follower.seen(lane.spec.name).round
    for entity in lane.spec.entities:
        whole = True
        for keys in _walk(lane.authority, lane, entity, chunk):
            part = compare(lane, entity, dict.fromkeys(keys))
            whole = whole and not part.unsettled
            _keep(lane, verified, part)
            if whole:
                _walked(lane, entity, keys[-1], len(keys))
            tell(entity.name, len(keys))
        for theirs in _walk(lane.follower, lane, entity, chunk):
            _keep(lane, verified, _look_for_extras(lane, entity, theirs))
        if whole:
            _passed(lane, entity, began)
    return verified


def compare(lane: Lane, entity: Entity, keys: Mapping[Key, Key | None], *, looks: int = LOOKS) -> Verified:
    """Look at these keys of the authority until each is equal or proven different; quarantine is left out.

    The follower's key may be given with each: of what only the follower has, nobody else knows it.
    `looks`: at a key that is on its way, before it counts as unsettled.
    """
    verified = Verified(keys=len(keys))
    todo = dict(keys)
    for attempt in range(looks):
        waiting = _in_quarantine(lane, entity)
        todo = {key: peer for key, peer in todo.items() if key not in waiting}
        if attempt == 0:
            todo = _screen(lane, entity, todo, verified)
        todo = _look(lane, entity, todo, verified) if todo else todo
        if not todo:
            return verified
        time.sleep(0 if attempt == 0 else _PAUSE)
    verified.unsettled = [(entity.name, key) for key in todo]
    return verified


def _screen(
    lane: Lane, entity: Entity, keys: Mapping[Key, Key | None], verified: Verified
) -> dict[Key, Key | None]:
    """Those that want a closer look, from the beginning: of what is equal nothing else need be known."""
    if not keys:
        return {}
    with lane.authority.snapshot(lane.spec.name) as view:
        ours = view.rows(entity.name, list(keys))
    mapped = core.map_rows(lane.spec, lane.source, {entity.name: ours}).rows
    with lane.follower.snapshot(lane.spec.name) as view:
        there = view.rows(entity.name, [peer for peer, _ in mapped.values()])
    equal = {
        key: peer for (_, key), (peer, rows) in mapped.items() if core.same(entity, rows, there.get(peer))
    }
    name = entity.name
    verified.gone += [(name, key) for key in equal] + [(name, peer) for peer in equal.values()]
    return {key: hint for key, hint in keys.items() if key not in equal}


def _look(
    lane: Lane, entity: Entity, keys: Mapping[Key, Key | None], verified: Verified
) -> dict[Key, Key | None]:
    """One sandwich over the keys; those that were on their way are given back."""
    # Older than both looks: what is acknowledged in between counts as pending, which proves less, never more.
    acked = lane.follower.seen(lane.spec.name).acked_seq if lane.acks_on_follower else 0
    first, peers = _authority(lane, entity, keys, acked)
    there = _follower(lane, entity, peers)
    open_ = {key: keys[key] for key in keys if not is_equal(first[key], there[key], entity.same)}
    for key, peer in peers.items():
        if key not in open_:
            verified.gone += (
                [(entity.name, key)] if peer is None else [(entity.name, key), (entity.name, peer)]
            )
    if not open_:
        return {}
    second, _ = _authority(lane, entity, open_, acked)
    again = _versions(lane, entity, [peer for key in open_ if (peer := peers[key]) is not None])
    _check_direction(lane)
    left = {}
    for key, hint in open_.items():
        peer = peers[key]
        version = again.get(peer) if peer is not None else None
        answer, kind = sandwich(first[key], there[key], second[key], version, entity.same)
        if answer is Answer.UNSETTLED:
            left[key] = hint
        elif kind is not None:
            verified.found.append(_mismatch(entity, key, peer, kind, second[key], there[key]))
    return left


def _check_direction(lane: Lane) -> None:
    """A follower that was open meanwhile differs by right, also when it has been closed again since.

    Its own row is read last: while that one is as before, nobody has written there.
    """
    theirs = lane.authority.authority(lane.spec.name)
    ours = lane.follower.authority(lane.spec.name)
    why = "capture was removed" if ours is None else may_round(ours, 0, theirs, lane.epoch)
    if why:
        raise Overtaken(f"{lane.spec.name}: the authority changed while it was verified ({why}); start again")


def _mismatch(entity: Entity, key: Key, peer: Key | None, kind: Kind, look: Look, there: There) -> Mismatch:
    detail = look.unmapped or differing(look.expected, there.rows)
    # What no round has put there is known by the authority's key alone, unless only the follower has it.
    named = peer if peer is not None and (there.version is not None or kind is Kind.EXTRA) else key
    return Mismatch(entity.name, named, kind.value, detail, time.time())


def _authority(
    lane: Lane, entity: Entity, keys: Mapping[Key, Key | None], acked: int
) -> tuple[dict[Key, Look], dict[Key, Key | None]]:
    """A look at the keys, and the follower's names of them."""
    moving = _in_quarantine(lane, entity)
    with lane.authority.snapshot(lane.spec.name) as view:
        rows = view.rows(entity.name, list(keys))
        odd = [key for key in keys if spelled.is_odd(key)]
        odd = [key for key in odd if view.existing(entity.name, [key])]
        for table in entity.tables(lane.source):
            moving |= view.pending_among(table.name, list(keys), acked).keys()
    mapped = core.map_rows(lane.spec, lane.source, {entity.name: rows})
    looks: dict[Key, Look] = {}
    peers = dict(keys)
    for key in keys:
        theirs = mapped.rows.get((entity.name, key))
        peers[key] = theirs[0] if theirs else peers[key]
        looks[key] = Look(
            theirs[1] if theirs else None, key in moving, mapped.poison.get((entity.name, key), "")
        )
    root = entity.root(lane.source).name
    looks |= {key: Look(None, key in moving, spelled.why_odd(key, root)) for key in odd}
    _name_the_absent(lane, entity, peers)
    return looks, peers


def _in_quarantine(lane: Lane, entity: Entity) -> set[Key]:
    """Keys that differ by right, and are told of by their own name."""
    return {each.key for each in lane.follower.held(lane.spec.name) if each.entity == entity.name}


def _name_the_absent(lane: Lane, entity: Entity, peers: dict[Key, Key | None]) -> None:
    """What the authority no longer has, or cannot map, is known to the follower by what was applied."""
    unknown = [key for key, peer in peers.items() if peer is None]
    if unknown:
        known = lane.follower.applied_of(lane.spec.name, entity.name, unknown)
        peers.update({key: each.key for key, each in known.items()})


def _follower(lane: Lane, entity: Entity, peers: Mapping[Key, Key | None]) -> dict[Key, There]:
    known = [peer for peer in peers.values() if peer is not None]
    versions = _versions(lane, entity, known)
    with lane.follower.snapshot(lane.spec.name) as view:
        rows = view.rows(entity.name, known)
    return {
        key: There(rows.get(peer), versions.get(peer)) if peer is not None else There(None, None)
        for key, peer in peers.items()
    }


def _versions(lane: Lane, entity: Entity, keys: Collection[Key]) -> dict[Key, tuple[int, int] | None]:
    known = lane.follower.applied(lane.spec.name, entity.name, keys) if keys else {}
    return {key: (each.epoch, each.round) for key, each in known.items()}


# -- what only the follower has ------------------------------------------------------------------------


def _look_for_extras(lane: Lane, entity: Entity, theirs: Sequence[Key]) -> Verified:
    """Of these rows of the follower, those that the authority does not have."""
    names = {peer: key for key, peer in lane.follower.peers(lane.spec.name, entity.name, theirs).items()}
    unknown = set(theirs) - set(names.values())
    found = Verified()
    root = entity.root(lane.source.other).name
    for key in [each for each in unknown if spelled.is_odd(each)]:
        unknown.remove(key)
        why = spelled.why_odd(key, root)
        found.found.append(Mismatch(entity.name, key, Kind.EXTRA.value, why, time.time()))
    if unknown:
        names.update(_mapped_back(lane, entity, list(unknown), found))
    with lane.authority.snapshot(lane.spec.name) as view:
        there = view.existing(entity.name, list(names))
    gone = {key: peer for key, peer in names.items() if key not in there}
    if gone:
        part = compare(lane, entity, gone)
        found.found += part.found
        found.gone += part.gone
        found.unsettled += part.unsettled
    return found


def _mapped_back(lane: Lane, entity: Entity, theirs: Sequence[Key], found: Verified) -> dict[Key, Key]:
    """The authority's keys of rows that no round has put there, by mapping them backwards."""
    with lane.follower.snapshot(lane.spec.name) as view:
        rows = view.rows(entity.name, theirs)
    mapped = core.map_rows(lane.spec, lane.source.other, {entity.name: rows})
    for (_, key), why in mapped.poison.items():
        found.found.append(Mismatch(entity.name, key, Kind.EXTRA.value, why, time.time()))
    return {ours: key for (_, key), (ours, _) in mapped.rows.items()}


# -- walking -------------------------------------------------------------------------------------------


def _walk(side: Session, lane: Lane, entity: Entity, chunk: int) -> Iterator[Sequence[Key]]:
    after: Key | None = None
    while True:
        with side.snapshot(lane.spec.name) as view:
            keys = view.keys_after(entity.name, after, chunk)
        if keys:
            yield keys
            after = keys[-1]
        if len(keys) < chunk:
            return  # what is added behind the end is the next pass's: else this one would follow it for ever


def _keep(lane: Lane, verified: Verified, part: Verified) -> None:
    verified.keys += part.keys
    verified.found += part.found
    verified.unsettled += part.unsettled
    if part.found or part.gone:
        known = {(each.entity, each.key) for each in lane.follower.mismatches(lane.spec.name)}
        gone = [name for name in part.gone if name in known]
        if part.found or gone:
            lane.follower.keep_mismatches(lane.spec.name, part.found, gone)


def _walked(lane: Lane, entity: Entity, key: Key, count: int) -> None:
    kept = _progress(lane, entity)
    kept = dataclasses.replace(kept, after=spelled.text(key), done=kept.done + count, finished=False)
    lane.follower.keep_progress(lane.spec.name, [kept])


def _passed(lane: Lane, entity: Entity, began: int) -> None:
    """Only a pass without a gap moves `verified_through`: the round after which it `began`."""
    kept, name = _progress(lane, entity), entity.name
    fresh = dataclasses.replace(kept, after="", done=0, finished=True, at=time.time(), passes=kept.passes + 1)
    through = Progress(THROUGH, name, lane.epoch, done=began, finished=True, at=fresh.at)
    lane.follower.keep_progress(lane.spec.name, [fresh, through])


def _progress(lane: Lane, entity: Entity) -> Progress:
    """The walk of this epoch. Whole passes of earlier ones count on, with their time (`at`).

    Else the next flip would be refused for as long as the first pass of an epoch takes, and only then.
    """
    for each in lane.follower.progress(lane.spec.name):
        if each.walk == "verify" and each.entity == entity.name:
            if each.epoch == lane.epoch:
                return each
            return Progress("verify", entity.name, lane.epoch, at=each.at, passes=each.passes)
    return Progress("verify", entity.name, lane.epoch)
