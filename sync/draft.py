"""What a round will do to the follower: changes, keys that wait in quarantine, what is right already."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from sync.core import rounds as core
from sync.core.conflicts import Claims
from sync.core.rounds import Aggregates, Mapped, Named
from sync.core.values import Applied, Change, Held, Key, Mark, Rows, Side, SliceSpec
from sync.errors import CannotApply
from sync.ports import RoundTransaction, Session

_SAME_KEY = "has the same key on the other side"


@dataclass(slots=True)
class Reading:
    """What one snapshot said: keys with their delete marks, rows of the authority, keys that are nowhere."""

    marks: list[Mark]
    nonce: str
    identity: str
    names: dict[Named, bool]
    limit: int  # of marks
    found: dict[str, dict[Key, Rows]] = field(default_factory=dict)
    absent: list[Named] = field(default_factory=list)
    held: dict[Named, Held] = field(default_factory=dict)
    redriven: dict[Named, Held] = field(default_factory=dict)
    mapped: Mapped | None = None
    claims: Claims = field(default_factory=Claims)
    pulled: set[Named] = field(default_factory=set)  # keys asked for because they were in the way
    problems: dict[Named, str] = field(default_factory=dict)  # of rows, found before anybody mapped them

    def drop(self, name: Named) -> None:
        """There is nothing of it, and never was over there: not in this round, not in quarantine."""
        del self.names[name]
        if name in self.held:
            self.redriven[name] = self.held.pop(name)

    @property
    def known(self) -> set[Named]:
        """Every key that was asked for, there or not."""
        return {*self.names, *self.absent, *self.pulled}

    def found_of(self, names: Collection[Named]) -> dict[str, dict[Key, Rows]]:
        """What was found of these keys."""
        found: dict[str, dict[Key, Rows]] = {}
        for entity, keys in core.by_entity(names).items():
            rows = self.found.get(entity, {})
            found[entity] = {key: rows[key] for key in keys if key in rows}
        return found

    def add(self, part: Reading) -> None:
        """Keep what was mapped of a part of this reading."""
        mapped = self.mapped = self.mapped or Mapped()
        if part.mapped is not None:
            mapped.rows.update(part.mapped.rows)
            mapped.poison.update(part.mapped.poison)


@dataclass(slots=True)
class Draft:
    """One attempt at a round. `refused`: keys of which the follower's database has said why not."""

    spec: SliceSpec
    source: Side
    authority: Session
    follower: Session
    tx: RoundTransaction
    reading: Reading
    refused: Mapping[Named, str]
    changes: list[Change] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    waiting: set[Named] = field(default_factory=set)
    unchanged: int = 0
    _applied: dict[Named, Applied] = field(default_factory=dict)

    def make(self, extras: Collection[Named] = ()) -> None:
        """Decide about every key of the reading; `extras` are rows of the follower to be removed by name."""
        for entity, keys in core.by_entity(self.reading.names).items():
            there = self.tx.applied(entity, keys)
            self._applied.update({(entity, peer): each for peer, each in there.items()})
        mapped = self.reading.mapped = self.reading.mapped or core.map_rows(
            self.spec, self.source, self.reading.found
        )  # once: after a refusal we come here again, and a mapping may have changed what it was given
        errors = dict(self.refused) | mapped.poison | self.reading.problems
        errors |= self._moved_keys(mapped) | self._shared_keys(mapped)
        self._hold(errors)
        self._put(mapped)
        self._take()
        self._remove(extras)

    def ordered(self) -> list[Change]:
        """The changes in the order in which they can be applied."""
        return core.order(self.spec, self.changes)

    def blame(self, refusal: CannotApply) -> dict[Named, str]:
        """The refused keys by the authority's names."""
        peers = {(each.entity, each.key): each.peer_key for each in self.changes}
        blamed = {
            (entity, peers[entity, key]): why  # type: ignore[index]
            for (entity, key), why in refusal.problems.items()
        }
        if not blamed.keys() - self.refused.keys():
            raise refusal  # it refuses what we no longer ask for: going on would go on for ever
        return blamed

    # -- what waits ------------------------------------------------------------------------------------

    def _moved_keys(self, mapped: Mapped) -> dict[Named, str]:
        """A key's name on the other side is for ever (the id map is a bijection)."""
        names = {name: each.key for name, each in self._applied.items() if not each.deleted}
        names |= self._names_before(mapped)
        return {
            name: f"its key on the other side would change from {_text(known)} to {_text(key)}: have the "
            "mapping give the key that it had, or delete the row, redrive, and insert it again"
            for name, (key, _) in mapped.rows.items()
            if (known := names.get(name)) is not None and known != key
        }

    def _names_before(self, mapped: Mapped) -> dict[Named, Key]:
        """The follower's keys of rows that were brought from there, before it became the follower."""
        was_open = self.tx.authority.epoch > 0  # else the authority has nothing from there
        fresh = core.by_entity(name for name in mapped.rows if was_open and name not in self._applied)
        return {
            (entity, key): peer
            for entity, keys in fresh.items()
            for key, peer in self.authority.peers(self.spec.name, entity, keys).items()
        }

    def _shared_keys(self, mapped: Mapped) -> dict[Named, str]:
        """Two rows of the authority must not become one row of the follower."""
        fresh: dict[str, dict[Key, Named]] = {}
        errors: dict[Named, str] = {}
        before = self._names_before(mapped)
        for name, (key, _) in mapped.rows.items():
            known = self._applied.get(name)
            if known is None or known.deleted:
                first = fresh.setdefault(name[0], {}).setdefault(key, name)
                if first != name:  # whose it was before, or else nobody knows whose it is
                    for one, other in ((name, first), (first, name)):
                        if before.get(one) != key:
                            errors[one] = f"{core.spelled(other)} {_SAME_KEY}, {_text(key)}"
        for entity, keys in fresh.items():
            for key, taken in self._owners(entity, keys).items():
                other = (entity, taken or ())
                if taken is not None and other != keys[key] and not self._goes(other):
                    self.reading.claims.same_name(keys[key], other)
                    errors[keys[key]] = f"{core.spelled(other)} {_SAME_KEY}, {_text(key)}"
        return errors

    def _goes(self, name: Named) -> bool:
        """Whether it was deleted: another row may have its name on the other side."""
        return self.reading.names.get(name, False) and name[1] not in self.reading.found.get(name[0], {})

    def _owners(self, entity: str, keys: Collection[Key]) -> dict[Key, Key | None]:
        """To which rows of the authority these rows of the follower belong; None: to one that was deleted."""
        name, before = self.spec.name, {}
        if self.tx.authority.epoch > 0:
            before = {key: each.key for key, each in self.authority.applied_of(name, entity, keys).items()}
        known = self.follower.applied(name, entity, keys)
        return {**before, **{key: None if each.deleted else each.peer_key for key, each in known.items()}}

    def _hold(self, errors: dict[Named, str]) -> None:
        """Set aside the keys with errors, their aggregates, and what needs them by foreign key."""
        if not errors and not self.reading.held:
            return
        names = self.reading.names
        aggregates = Aggregates({name: self._root(name) for name in names}, names)
        held_roots = {(each.root_entity, each.root_key) for each in self.reading.held.values()}
        self.waiting = aggregates.with_all_of(errors)
        self.waiting |= {
            name for name, root in aggregates.roots.items() if root in held_roots or name in self.reading.held
        }
        waits = self._held_up(aggregates)
        self.waiting &= set(names) | set(errors)
        for each in aggregates.hold(sorted(self.waiting, key=repr), errors, waits):
            self.held.append(self._seen_before(each))

    def _held_up(self, aggregates: Aggregates) -> dict[Named, Named]:
        """Who needs one that waits, by foreign key or for a value that it keeps; with their aggregates."""
        waits = self._held_by_reference()
        while stuck := self.reading.claims.stuck({*self.waiting, *self.reading.held}):
            first = {aggregates.roots.get(name, name): name for name in stuck}
            whole = aggregates.with_all_of(stuck) - self.waiting
            waits |= {name: stuck.get(name) or first[aggregates.roots.get(name, name)] for name in whole}
            self.waiting |= whole
            waits |= self._held_by_reference()
        return waits

    def _held_by_reference(self) -> dict[Named, Named]:
        """Rows that refer to one that waits and has never been applied, found until there are no more."""
        waits: dict[Named, Named] = {}
        missing = {name for name in (*self.reading.held, *self.waiting) if not self._is_applied(name)}
        grown = True
        while grown:
            grown = False
            for name, target in core.needed(self.spec, self.source, self.reading.found):
                never = target in missing or (target in self.waiting and not self._is_applied(target))
                if never and name not in self.waiting:
                    self.waiting.add(name)
                    waits[name] = target
                    grown = True
        return waits

    def _seen_before(self, each: Held) -> Held:
        """Keep what quarantine knew of the key: its error, that it was deleted, how often it was tried."""
        name = (each.entity, each.key)
        known = self.reading.held.get(name)
        if known is not None:
            return dataclasses.replace(
                known, deleted=known.deleted or each.deleted, error=each.error or known.error
            )
        again = self.reading.redriven.get(name)
        if again is None:
            return each
        return dataclasses.replace(
            each, deleted=each.deleted or again.deleted, since=again.since, tries=again.tries + 1
        )

    def _is_applied(self, name: Named) -> bool:
        known = self._applied.get(name) or self.tx.applied(name[0], [name[1]]).get(name[1])
        return known is not None and not known.deleted

    def _root(self, name: Named) -> Named:
        return core.root_of(name, self._owner)

    def _owner(self, name: Named) -> Named | None:
        rows = self.reading.found.get(name[0], {}).get(name[1])
        if rows is not None:
            return core.owner_of(self.spec, self.source, name, rows)
        known = self._applied.get(name)
        if known is None or self.spec.entity(name[0]).parent is None:
            return None
        # The row is gone from the authority: the follower still knows whose it was.
        theirs = self.tx.rows(name[0], [known.key]).get(known.key)
        owner = core.owner_of(self.spec, self.source.other, name, theirs)
        if owner is None:
            return None
        peer = self.follower.applied(self.spec.name, owner[0], [owner[1]]).get(owner[1])
        return None if peer is None else (owner[0], peer.peer_key)

    # -- what changes ----------------------------------------------------------------------------------

    def _put(self, mapped: Mapped) -> None:
        keys = core.by_entity(
            (name[0], key) for name, (key, _) in mapped.rows.items() if name not in self.waiting
        )
        before = {entity: self.tx.rows(entity, their) for entity, their in keys.items()}
        entities = {each.name: each for each in self.spec.entities}
        for name, (key, rows) in mapped.rows.items():
            if name in self.waiting:
                continue
            known, there = self._applied.get(name), before[name[0]].get(key)
            if known is not None and not known.deleted and core.same(entities[name[0]], rows, there):
                self.unchanged += 1
                continue
            self.changes.append(Change(name[0], key, name[1], rows, there))

    def _take(self) -> None:
        """Delete what a delete mark was read for, where it is proven which row of the follower that is."""
        gone = [name for name in self.reading.names if self._goes(name) and name not in self.waiting]
        put = {(each.entity, each.key) for each in self.changes}
        for entity, keys in core.by_entity(gone).items():
            named = self._names_there(entity, keys).items()
            theirs = {peer: key for peer, key in named if (entity, key) not in put}  # else it has a new owner
            before = self.tx.rows(entity, list(theirs.values()))
            self.changes += [Change(entity, key, peer, None, before.get(key)) for peer, key in theirs.items()]

    def _names_there(self, entity: str, keys: Iterable[Key]) -> dict[Key, Key]:
        """The follower's keys of these keys: as applied here, else as the authority once applied them."""
        theirs: dict[Key, Key] = {}
        unknown: list[Key] = []
        for key in keys:
            known = self._applied.get((entity, key))
            if known is None:
                unknown.append(key)
            elif not known.deleted:
                theirs[key] = known.key
        if unknown:
            theirs.update(self.authority.peers(self.spec.name, entity, unknown))
        return theirs

    def _remove(self, extras: Collection[Named]) -> None:
        for entity, keys in core.by_entity(extras).items():
            before = self.tx.rows(entity, keys)
            known = self.follower.applied(self.spec.name, entity, keys)
            for key in keys:
                peer = known[key].peer_key if key in known else key
                self.changes.append(Change(entity, key, peer, None, before.get(key)))


def _text(key: Key) -> str:
    return "/".join(str(part) for part in key)
