"""What one round does: from the marks and rows of one snapshot to the changes of the follower. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sync.core import keys
from sync.core.values import Change, Entity, Held, Key, Mark, Rows, Side, SliceSpec, Unreadable

Named = tuple[str, Key]
"""An entity's name and a key of it."""
Found = Mapping[str, Mapping[Key, Rows]]
"""Rows by entity and key."""


@dataclass(slots=True)
class Mapped:
    """The authority's rows in the follower's shape; `poison` says why a row has no counterpart."""

    rows: dict[Named, tuple[Key, Rows]] = field(default_factory=dict)
    poison: dict[Named, str] = field(default_factory=dict)


def marked(spec: SliceSpec, source: Side, marks: Iterable[Mark]) -> dict[Named, bool]:
    """The keys that the marks name, in their order; True when the entity's root row was taken away."""
    roots = {table.name: (each.name, at == 0) for each in spec.entities
             for at, table in enumerate(each.tables(source))}  # fmt: skip
    names: dict[Named, bool] = {}
    for mark in marks:
        entity, is_root = roots[mark.table]
        name = (entity, mark.key)
        names[name] = names.get(name, False) or (mark.deleted and is_root)
    return names


def left(spec: SliceSpec, source: Side, marks: Iterable[Mark]) -> dict[Named, bool]:
    """Of the keys that the marks name, whether the last mark of each table said that its row is gone."""
    last: dict[tuple[str, Key], bool] = {(mark.table, mark.key): mark.deleted for mark in marks}
    gone: dict[Named, bool] = {}
    for (table, key), deleted in last.items():
        name = (spec.entity_of(source, table).name, key)
        gone[name] = gone.get(name, True) and deleted
    return gone


def by_entity(names: Iterable[Named]) -> dict[str, list[Key]]:
    """The keys of each entity."""
    found: dict[str, list[Key]] = {}
    for entity, key in names:
        found.setdefault(entity, []).append(key)
    return found


def unseen(names: Mapping[Named, bool], found: Found) -> list[Named]:
    """The keys that are not there and of which no mark read so far says that they were deleted."""
    return [name for name, deleted in names.items() if not deleted and name[1] not in found.get(name[0], {})]


def map_rows(spec: SliceSpec, source: Side, found: Found) -> Mapped:
    """Translate what was found. A mapping is the user's code: what it raises holds up its own row alone."""
    mapped = Mapped()
    for entity in spec.entities:
        rows = found.get(entity.name)
        if not rows:
            continue
        translate = entity.translate(source)
        root = entity.root(source.other)
        for key, each in rows.items():
            try:
                theirs = translate(each)
                mapped.rows[entity.name, key] = (_key_of(theirs, root.name, root.key), theirs)
            except MemoryError:
                raise  # not this row's fault, but that of all of them together
            except (Exception, SystemExit) as error:  # noqa: BLE001 - see above; it is kept with the row
                mapped.poison[entity.name, key] = sentence(error) + _unread(each)
    return mapped


def sentence(error: BaseException) -> str:
    """What went wrong in one bounded line."""
    try:
        said = printable(" ".join(str(error).split())[:300])
    except Exception:  # noqa: BLE001 - the user's own class of error
        said = ""
    return said if isinstance(error, ValueError) and said else f"{type(error).__name__}: {said}"


def printable(text: str) -> str:
    """The text as every database can keep it: no half surrogate pairs, no NUL."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def _unread(rows: Rows) -> str:
    """What a mapping was given that it cannot have expected."""
    for table, row in rows.items():
        for column, value in (row or {}).items():
            if isinstance(value, Unreadable):
                return f" ({table}.{column} holds {value.why})"
    return ""


def _key_of(rows: Rows, table: str, columns: tuple[str, ...]) -> Key:
    row = rows.get(table)
    if row is None:
        raise ValueError(f"the mapping gives no row for {table}")
    return keys.of(row, columns)


def needed(
    spec: SliceSpec, source: Side, found: Found, problems: dict[Named, str] | None = None
) -> Iterator[tuple[Named, Named]]:
    """Each (row, row it refers to) of the slice, by the authority's keys; `problems`: what names no row."""
    for entity in spec.entities:
        rows = found.get(entity.name)
        if not rows or not entity.references:
            continue
        table = entity.root(source).name
        for reference in entity.references:
            column = reference.legacy if source is Side.LEGACY else reference.extracted
            for key, each in rows.items():
                value = (each[table] or {}).get(column)
                if value is None:
                    continue
                try:
                    target = keys.normal([value])
                except ValueError as error:
                    if problems is not None:
                        said = value.why if isinstance(value, Unreadable) else str(error)
                        problems[entity.name, key] = (
                            f"{table}.{column}: no {reference.to} has this key: {said}"
                        )
                    continue
                yield (entity.name, key), (reference.to, target)


def owner_of(spec: SliceSpec, side: Side, name: Named, rows: Rows | None) -> Named | None:
    """Whom one row of `side` belongs to; None for a root, or when the row is not known."""
    entity = spec.entity(name[0])
    parent = entity.parent
    if parent is None or rows is None:
        return None
    column = parent.legacy if side is Side.LEGACY else parent.extracted
    value = (rows.get(entity.root(side).name) or {}).get(column)
    try:
        return None if value is None else (parent.to, keys.normal([value]))
    except ValueError:  # told by `needed`
        return None


def root_of(name: Named, owner: Callable[[Named], Named | None]) -> Named:
    """The root of the aggregate that `name` belongs to. Parents cannot be cyclic: the plan refuses them."""
    at = name
    for _ in range(32):
        above = owner(at)
        if above is None:
            return at
        at = above
    return at


def order(spec: SliceSpec, changes: Collection[Change]) -> list[Change]:
    """Parents first, deletes last and children first: no row ever refers to one that is not there."""
    rank = {entity.name: at for at, entity in enumerate(spec.entities)}
    puts = sorted((each for each in changes if each.rows is not None), key=lambda each: rank[each.entity])
    takes = sorted((each for each in changes if each.rows is None), key=lambda each: -rank[each.entity])
    return [*puts, *takes]


@dataclass(frozen=True, slots=True)
class Aggregates:
    """To which root each key of a round belongs, and which of them a delete mark was read for."""

    roots: Mapping[Named, Named]
    deleted: Mapping[Named, bool]

    def with_all_of(self, errors: Collection[Named]) -> set[Named]:
        """Everything in the round that must wait with the keys in `errors`: their whole aggregates."""
        bad = {self.roots.get(name, name) for name in errors}
        return {name for name, root in self.roots.items() if root in bad} | set(errors)

    def hold(
        self, names: Iterable[Named], errors: Mapping[Named, str], waits: Mapping[Named, Named]
    ) -> list[Held]:
        """Quarantine rows: each with an error of its own, or with the name of the key that it waits for."""
        culprits = {self.roots.get(name, name): name for name in errors}
        held = []
        for name in names:
            root = self.roots.get(name, name)
            reason = printable(errors.get(name, ""))
            other = "" if reason else spelled(waits.get(name) or culprits.get(root) or root)
            deleted = self.deleted.get(name, False)
            held.append(Held(name[0], name[1], root[0], root[1], reason, deleted, other))
        return held


def spelled(name: Named) -> str:
    """A key as people write it: `order 17`."""
    return f"{name[0]} {'/'.join(str(part) for part in name[1])}"


def same(entity: Entity, expected: Rows, found: Rows | None) -> bool:
    """Whether the follower's rows are what the mapping gives; what cannot be compared is not."""
    try:
        return found is not None and entity.same(expected, found)
    except Exception:  # noqa: BLE001 - the mapping's values and its `same` are the user's code
        return False


def upto(marks: Sequence[Mark], before: int) -> int:
    """The acknowledged position after these marks."""
    return max(before, marks[-1].seq) if marks else before
