"""What a round reads of the authority, in one snapshot: what is pending, asked for, or in the way."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from sync.conflicts import close
from sync.core import conflicts, keys
from sync.core import rounds as core
from sync.core.conflicts import with_waiting
from sync.core.rounds import Named
from sync.core.values import Applied, Key
from sync.draft import Draft, Reading
from sync.errors import SliceStopped
from sync.ports import RoundTransaction, Snapshot

if TYPE_CHECKING:
    from sync.rounds import Lane, Work

_NO_ROOT = "has none that we can see"  # what a row waits for that belongs to nothing
_AT_ONCE = 5000  # keys that are read before the follower is asked anything
_PULLS = 16  # generations of parents that a part of a large set may pull in


class Reader:
    """Reads while the snapshot is open, and asks the follower what it knows of those keys."""

    def __init__(self, lane: Lane, tx: RoundTransaction, view: Snapshot, work: Work) -> None:
        """Read the marks; nothing else yet."""
        self._lane, self._tx, self._view, self._work = lane, tx, view, work
        self._after = tx.seen.acked_seq if lane.acks_on_follower else 0
        marks = list(view.pending(self._after, work.limit))
        names = core.marked(lane.spec, lane.source, marks)
        self._reading = Reading(marks, "", view.incarnation.identity, names, work.limit)
        self._reading.nonce = self._nonce()

    def _nonce(self) -> str:
        marks = self._reading.marks
        return self._view.nonce(marks[-1].seq) if marks and self._lane.acks_on_follower else ""

    def read(self, pulled: Collection[Named] = ()) -> Reading:
        """What is pending and asked for; `pulled` stood in the way of it, and so may others."""
        reading = self._reading
        reading.held = {(each.entity, each.key): each for each in self._tx.held()}
        if self._work.redrive is not None:
            self._take_out(set(self._work.redrive) or set(reading.held))
        asked = {name for name in self._work.keys if name not in reading.names}
        reading.names.update(dict.fromkeys(asked, False))
        self._look(list(reading.names), asked)
        if pulled:
            reading.pulled.update(pulled)
            self._pull(pulled)
            close(reading, self._draft, self._pull, self._more)
        return reading

    def _look(self, fresh: Collection[Named], asked: Collection[Named]) -> None:
        """Read these keys of the reading, find the deleted among them, and pull in their parents."""
        self._set_odd_aside()
        fresh = [name for name in fresh if name in self._reading.names]
        self._find(fresh)
        self._look_for_delete_marks(asked)
        self._pull_parents(fresh)

    def _draft(self, part: Reading) -> Draft:
        lane = self._lane
        return Draft(lane.spec, lane.source, lane.authority, lane.follower, self._tx, part, {})

    # -- a round that grows ------------------------------------------------------------------------

    def _pull(self, names: Collection[Named]) -> None:
        """A part of a large set may need what rows outside of it still have: they come along."""
        known = self._reading.names
        before = set(known)
        self._take_out(names)
        asked = {name for name in names if name not in known}
        known.update(dict.fromkeys(asked, False))
        self._look(known.keys() - before, asked)

    def _more(self) -> None:
        """What is pending next. These marks are read, and acknowledged like the others."""
        reading = self._reading
        marks = list(self._view.pending(self._after, conflicts.KEYS))
        if len(marks) <= len(reading.marks):
            return
        reading.marks, reading.limit = marks, conflicts.KEYS
        reading.nonce = self._nonce()
        names = core.marked(self._lane.spec, self._lane.source, marks)
        fresh = names.keys() - reading.names.keys()
        reading.names.update({name: names[name] or reading.names.get(name, False) for name in names})
        self._look(fresh, ())

    def _take_out(self, chosen: Collection[Named]) -> None:
        """Take keys out of quarantine into this round, with everything that waits for them."""
        reading = self._reading
        for name in with_waiting(reading.held, chosen):
            each = reading.held.pop(name)
            reading.names[name] = reading.names.get(name, False) or each.deleted
            reading.redriven[name] = each

    # -- what is there -----------------------------------------------------------------------------

    def _set_odd_aside(self) -> None:
        """Rows whose key nothing can be asked by wait, each by itself, until a person gives it another."""
        reading = self._reading
        odd = [name for name in reading.names if keys.is_odd(name[1])]
        for entity, found in core.by_entity(odd).items():
            there = self._view.existing(entity, found)
            for key in found:
                if key in there:
                    reading.problems[entity, key] = keys.why_odd(key, self._root(entity))
                else:
                    reading.drop((entity, key))

    def _root(self, entity: str) -> str:
        return self._lane.spec.entity(entity).root(self._lane.source).name

    def _find(self, names: Collection[Named]) -> None:
        for entity, wanted in core.by_entity(names).items():
            found = self._reading.found.setdefault(entity, {})
            for at in range(0, len(wanted), _AT_ONCE):
                if at:  # the lease may not rest for long: many rows, or wide ones, take their time
                    self._tx.applied(entity, wanted[:1])
                found.update(self._view.rows(entity, wanted[at : at + _AT_ONCE]))

    def _look_for_delete_marks(self, asked: Collection[Named]) -> None:
        """Absent is not deleted: without a mark that says so, nobody touched the key, or we cannot see it."""
        reading = self._reading
        odd = reading.problems.keys()
        unseen = [name for name in core.unseen(reading.names, reading.found) if name not in odd]
        for entity, absent in core.by_entity(unseen).items():
            said = self._view.pending_among(self._root(entity), absent, self._after)
            known = self._tx.applied(entity, absent)
            taken = self._taken(known, entity)
            for key in absent:
                name = (entity, key)
                if said.get(key):
                    reading.names[name] = True
                elif name in asked:
                    reading.absent.append(name)
                    del reading.names[name]
                elif key in said or (key in known and key not in taken):
                    raise self._blind(name)
            self._without_root([(entity, key) for key in absent if key not in taken])

    def _taken(self, known: Mapping[Key, Applied], entity: str) -> set[Key]:
        """Those whose root an earlier round saw deleted: what is left of them may be deleted later."""
        every = self._reading.held.items()
        held = {key for (name, key), each in every if name == entity and each.deleted}
        return held | {key for key, each in known.items() if each.deleted}

    def _without_root(self, absent: Collection[Named]) -> None:
        """Rows of further tables whose root is not there and never came over: nothing can be made of them."""
        reading = self._reading
        alone = [name for name in absent if reading.names.get(name) is False]
        gone = core.left(self._lane.spec, self._lane.source, reading.marks) if alone else {}
        for entity, wanted in core.by_entity(alone).items():
            left = self._view.left_alone(entity, wanted)
            for key in wanted:
                name = (entity, key)
                if key in left:
                    reading.problems[name] = (
                        f"{left[key]} has a row of it, and {self._root(entity)} {_NO_ROOT}: add that row, or "
                        f"delete the one in {left[key]}"
                    )
                elif not gone.get(name):
                    raise self._blind(name)
                elif name not in reading.held or _NO_ROOT in reading.held[name].error:
                    reading.drop(name)  # born and gone between two rounds, or mended

    def _blind(self, name: Named) -> SliceStopped:
        lane = self._lane
        return SliceStopped(
            f"{lane.spec.name}: {core.spelled(name)} was touched, was not deleted, and cannot be seen on the "
            f"{lane.source} side (row level security? a table rewritten or detached?); nothing was applied. "
            f"Make it visible to sync's role, then: strangler capture audit {lane.spec.name}"
        )

    def _pull_parents(self, names: Collection[Named]) -> None:
        """A part of a large set may name a child before its parent: the parent comes along."""
        lane, reading = self._lane, self._reading
        fresh = reading.found_of(names)
        for _ in range(_PULLS):
            wanted = {
                target
                for _, target in core.needed(lane.spec, lane.source, fresh, reading.problems)
                if target not in reading.names
            }
            for entity, targets in core.by_entity(wanted).items():
                there = self._tx.applied(entity, targets)
                wanted -= {(entity, key) for key, each in there.items() if not each.deleted}
            if not wanted:
                return
            fresh = {
                entity: dict(self._view.rows(entity, targets))
                for entity, targets in core.by_entity(wanted).items()
            }
            for entity, rows in fresh.items():
                reading.found.setdefault(entity, {}).update(rows)
                reading.names.update({(entity, key): False for key in rows})
