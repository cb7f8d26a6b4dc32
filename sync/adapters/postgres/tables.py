"""The slice's tables as this database has them: found once a session, by oid, on the role's search path."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sync.adapters.postgres.coding import TEXTS, array_of, digits_as_uuid, trigger_text
from sync.adapters.postgres.constraints import Deferrable, deferrables
from sync.adapters.postgres.link import Link
from sync.adapters.postgres.names import literal, quoted
from sync.adapters.postgres.statements import statements
from sync.core import keys
from sync.core.values import Entity, Key, Side, SliceSpec, TableSpec
from sync.errors import PlanMismatch

_CATALOG = statements("catalog.sql")
_HEX_UUID = 36  # atttypmod of CHAR(32)
_PLAIN = frozenset({"int2", "int4", "int8", "uuid"})
_MEASURED = frozenset({"text", "varchar", "bytea"})
_LARGE = frozenset({"json", "jsonb", "citext", "xml", "hstore"})
_COMPRESSED = 100_000  # bytes: compression makes no more than a hundredth of anything
_NO_EQUALITY = frozenset({"json", "xml", "point", "box", "polygon", "path", "lseg", "circle"})
_OTHER_EQUALITY = frozenset({"interval", "_interval"})  # a month is thirty days to it


def _within(bits: int) -> Callable[[Any], bool]:
    end = 2 ** (bits - 1)
    return lambda value: value.__class__ is int and -end <= value < end


def _is_text(value: Any) -> bool:
    return isinstance(value, str | uuid.UUID)


def _is_uuid(value: Any) -> bool:
    return isinstance(value, uuid.UUID)


_FITS: dict[str, Callable[[Any], bool]] = {
    **{f"int{size}": _within(8 * size) for size in (2, 4, 8)},
    **dict.fromkeys(TEXTS, _is_text),
    "uuid": _is_uuid,
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `cast` takes text, `base` is the type's own name, a domain's that of what it is made of."""

    name: str
    cast: str
    base: str
    nullable: bool
    hex_uuid: bool
    generated: bool
    labels: int = 0  # the type that has them, if it is an enum
    bounded: bool = False  # its type says how long a value may be
    loose: bool = False  # its equality is not there on our path, or takes differing values for one

    def wanted(self, text: str) -> str:
        """The value that this text spells, in SQL; NULL where an enum has no such label: no row has it."""
        if not self.labels:
            return f"{text}::{self.cast}"
        return (
            f"(SELECT e.enumlabel::text::{self.cast} FROM pg_enum AS e"  # noqa: S608
            f" WHERE e.enumtypid = {self.labels} AND e.enumlabel = {text})"
        )

    def size(self, alias: str) -> str:
        """The bytes of a value, in SQL that reads no large one for it; "" where none can be large."""
        name = f"{alias}.{quoted(self.name)}"
        if self.bounded:
            return ""
        if self.base in _MEASURED:
            return f"octet_length({name})"
        if self.base in _LARGE or self.base.startswith("_"):
            return f"CASE WHEN pg_column_size({name}) > {_COMPRESSED} THEN octet_length({name}::text) END"
        return ""

    def given(self, alias: str) -> str:
        """The column in SQL as something whose equality tells all values apart."""
        if self.loose or self.base in _NO_EQUALITY or self.base in _OTHER_EQUALITY:
            return f'{alias}.{quoted(self.name)}::text COLLATE "C"'
        return f"{alias}.{quoted(self.name)}"

    def sent(self, alias: str) -> str:
        """The text that we send for it, as its type."""
        return f"{alias}.{quoted(self.name)}::{self.cast}"


@dataclass(frozen=True, slots=True)
class ForeignLink:
    """A foreign key: `columns` of `table` hold `to_columns` of `to`; names as SQL writes them."""

    table: int
    name: str
    columns: tuple[str, ...]
    to_table: int
    to: str
    to_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A mapped table: where it is, and how its mapped columns travel."""

    spec: TableSpec
    oid: int
    name: str  # schema-qualified, quoted
    columns: dict[str, Column]
    uniques: tuple[tuple[str, ...], ...] = ()
    out: tuple[ForeignLink, ...] = ()
    into: tuple[ForeignLink, ...] = field(default=())
    deferrable: tuple[Deferrable, ...] = ()

    @property
    def hex_columns(self) -> tuple[str, ...]:
        """Mapped columns that hold a UUID as 32 digits."""
        return tuple(name for name in self.spec.columns if self.columns[name].hex_uuid)

    @property
    def plain_key(self) -> bool:
        """Whether a key reads as its normal form: no text that may be a UUID in it."""
        return all(self.columns[name].base in _PLAIN for name in self.spec.key)

    def key_of(self, values: Iterable[Any]) -> Key:
        """The key with these values, in normal form."""
        parts = zip(values, self.spec.key, strict=True)
        return keys.normal(digits_as_uuid(each) if self.columns[at].hex_uuid else each for each, at in parts)

    def key_from(self, text: str) -> Key:
        """What the triggers spelled."""
        return keys.parse(text) if self.plain_key else self.key_of(keys.parse(text))

    def mark_text(self, key: Key) -> str:
        """How the triggers spell `key`."""
        return trigger_text(
            each if isinstance(each, int) else self._part(each, name)
            for each, name in zip(key, self.spec.key, strict=True)
        )

    def arrays(self, wanted: Collection[Key]) -> list[str]:
        """The parts of those keys that a row can have, one array of texts a key column."""
        checks = [(at, check) for at, name in enumerate(self.spec.key) if (check := self._check(name))]
        width = len(self.spec.key)
        fit = [key for key in wanted if len(key) == width]
        for at, check in checks:
            fit = [key for key in fit if check(key[at])]
        return [
            array_of(self._parts([key[at] for key in fit], name)) for at, name in enumerate(self.spec.key)
        ]

    def _parts(self, values: Sequence[Any], name: str) -> list[str]:
        if set(map(type, values)) == {uuid.UUID} and not self.columns[name].hex_uuid:
            return keys.spelled_uuids(values)
        return [self._part(value, name) for value in values]

    def _check(self, name: str) -> Callable[[Any], bool] | None:
        """What tells the values that this key column can hold, of those in normal form."""
        column = self.columns[name]
        return _FITS.get("text" if column.hex_uuid or column.labels else column.base)

    def check_key(self, name: str, values: Iterable[Any]) -> None:
        """Refuse what a cast would make another value of, or nothing at all: two keys would be one row."""
        check = self._check(name)
        if check is None:
            return
        for value in values:
            if value is not None and not check(value) and not any(map(check, _read_as(value))):
                raise ValueError(f"{value!r} cannot be a key in a column of type {self.columns[name].cast}")

    def texts(self, key: Key) -> list[str]:
        """One key's parts."""
        return [self._part(each, name) for each, name in zip(key, self.spec.key, strict=True)]

    def _part(self, value: Any, name: str) -> str:
        return value.hex if self.columns[name].hex_uuid and hasattr(value, "hex") else str(value)

    def among(self, alias: str = "t") -> str:
        """`key IN these`, with one text array a key column as parameters."""
        if len(self.spec.key) == 1:
            column = self.columns[self.spec.key[0]]
            if column.labels:
                those = f"SELECT {column.wanted('k')} FROM unnest(%s::text[]) AS u(k)"  # noqa: S608
                return f"{alias}.{quoted(column.name)} = ANY(ARRAY({those}))"
            return f"{alias}.{quoted(column.name)} = ANY(%s::text[]::{column.cast}[])"
        names = ", ".join(f"{alias}.{quoted(name)}" for name in self.spec.key)
        given = ", ".join(self.columns[name].wanted(f"k{at}") for at, name in enumerate(self.spec.key))
        places = ", ".join("%s::text[]" for _ in self.spec.key)
        aliases = ", ".join(f"k{at}" for at in range(len(self.spec.key)))
        return f"({names}) IN (SELECT {given} FROM unnest({places}) AS u({aliases}))"  # noqa: S608


def _read_as(value: Any) -> list[uuid.UUID]:
    """Text that is a UUID in its usual form is that UUID, as a key."""
    parts = keys.normal([value]) if isinstance(value, str) else ()
    return [part for part in parts if isinstance(part, uuid.UUID)]


class Tables:
    """The tables of one slice on one side."""

    def __init__(self, spec: SliceSpec, side: Side, found: Iterable[Table]) -> None:
        """`found` are all of them."""
        self.spec = spec
        self.side = side
        self.by_name = {each.spec.name: each for each in found}

    @property
    def oids(self) -> list[int]:
        """The tables' oids."""
        return [each.oid for each in self.by_name.values()]

    def of(self, entity: str | Entity) -> tuple[Table, ...]:
        """The entity's tables here, the root first."""
        found = self.spec.entity(entity) if isinstance(entity, str) else entity
        return tuple(self.by_name[each.name] for each in found.tables(self.side))

    def root(self, entity: str) -> Table:
        """The entity's root table here."""
        return self.of(entity)[0]


def resolved(link: Link, names: Sequence[str], search_path: str) -> dict[str, int]:
    """The oid of each table by the plan's name for it; those that are not there are left out."""
    if not names:
        return {}
    written = {name: ".".join(map(quoted, name.split("."))) for name in names}
    with link.transaction(f"BEGIN; SELECT set_config('search_path', {literal(search_path)}, true)"):
        rows = link.run(
            "SELECT name, to_regclass(written)::oid FROM unnest(%s::text[], %s::text[]) AS u(name, written)",
            (list(written), list(written.values())),
        )
    return {name: oid for name, oid in rows if oid is not None}


def find(link: Link, spec: SliceSpec, side: Side, search_path: str) -> Tables:
    """The slice's tables; PlanMismatch names what is not there."""
    specs = spec.tables(side)
    oids = resolved(link, [each.name for each in specs], search_path)
    missing = [each.name for each in specs if each.name not in oids]
    if missing:
        raise PlanMismatch(
            f"{link.where}: no table {', '.join(missing)}; correct slices.{spec.name}.entities in the plan"
        )
    wanted = {"tables": list(oids.values())}
    columns, later = _columns(link, wanted["tables"]), deferrables(link, wanted["tables"])
    names = {oid: name for root, oid, name, *_ in link.run(_CATALOG["tree"], wanted) if root == oid}
    uniques = link.run(_CATALOG["uniques"], wanted)
    links = [
        ForeignLink(row[0], row[5], tuple(row[1]), row[2], row[6], tuple(row[3]))
        for row in link.run(_CATALOG["foreign_keys"], wanted)
    ]
    found = []
    for each in specs:
        oid = oids[each.name]
        _must_have(link, each, columns[oid])
        own = tuple(tuple(cols) for table, primary, cols in uniques if table == oid and not primary)
        out, into = ([key for key in links if getattr(key, at) == oid] for at in ("table", "to_table"))
        ends = (tuple(out), tuple(into), tuple(later[oid]))
        found.append(Table(each, oid, names[oid], columns[oid], own, *ends))
    return Tables(spec, side, found)


def _columns(link: Link, oids: list[int]) -> dict[int, dict[str, Column]]:
    columns: dict[int, dict[str, Column]] = {oid: {} for oid in oids}
    for oid, name, cast, base, typmod, not_null, generated, *_, loose, labels in link.run(
        _CATALOG["columns"], {"tables": oids}
    ):
        hex_uuid = base == "bpchar" and typmod == _HEX_UUID
        more = (hex_uuid, generated, labels, typmod >= 0, loose)
        columns[oid][name] = Column(name, cast, base, not not_null, *more)
    return columns


def _must_have(link: Link, spec: TableSpec, columns: dict[str, Column]) -> None:
    missing = [name for name in dict.fromkeys((*spec.key, *spec.columns)) if name not in columns]
    if missing:
        raise PlanMismatch(
            f"{link.where}: table {spec.name} has no column {', '.join(missing)}; correct the plan's columns"
        )
