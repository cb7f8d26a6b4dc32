"""One mapped table as the database has it: its columns' types, and the statements that read and write it."""

# ruff: noqa: S608 - names of tables and columns come from the plan and the schema, and are quoted

from __future__ import annotations

import functools
import json
import sqlite3
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from sync.adapters.sqlite import codecs
from sync.adapters.sqlite.schema import quoted
from sync.adapters.sqlite.shapes import read_shape, references_to, rowid_alias
from sync.core import keys
from sync.core.records import ForeignKey, TableShape
from sync.core.values import Key, Row, TableSpec, Unreadable
from sync.errors import PlanMismatch


@dataclass(frozen=True)
class Target:
    """A foreign key as a check needs it: `columns` of `table` refer to `to_columns` of `to_table`."""

    table: str
    columns: tuple[str, ...]
    to_table: str
    to_columns: tuple[str, ...]


class Table:
    """A table of the slice. Made from one state of the schema: made again when that changes."""

    def __init__(
        self,
        spec: TableSpec,
        shape: TableShape,
        referring: tuple[Target, ...] = (),
        hyphenated: frozenset[str] = frozenset(),
        may_be_odd: bool = False,
    ) -> None:
        """`referring`: foreign keys that point at it. `hyphenated`: columns whose UUIDs are spelled so.

        `may_be_odd`: a row may have NULL or anything as its key; only the rowid is always an integer.
        """
        self.may_be_odd = may_be_odd
        self.spec = spec
        self.name = quoted(spec.name)
        self.shape = shape
        self.referring = referring
        types = {column.name: column.type for column in shape.columns}
        missing = [name for name in (*spec.key, *spec.columns) if name not in types]
        if missing:
            raise PlanMismatch(
                f"table {spec.name} has no {', '.join(missing)}: correct the plan or the table"
            )
        self._types = types
        self.written = {column.name for column in shape.columns if not column.generated}
        self._encode = {
            name: codecs.encoder("text" if name in hyphenated else declared)
            for name, declared in types.items()
        }
        self._decode = _decoders(types, spec.columns)
        self._decode_key = _decoders(types, spec.key)
        self.maps_key = set(spec.key) <= set(spec.columns)
        self._encode_single = self._encode[spec.key[0]] if len(spec.key) == 1 else None
        self._plain_key = {"integer": int, "text": str}.get(codecs.affinity(types[spec.key[0]]), int)
        self.columns = ", ".join(f"t.{quoted(name)}" for name in spec.columns)
        self.key_columns = ", ".join(f"t.{quoted(name)}" for name in spec.key)
        # What an INSERT has to name: SQLite refuses a missing NOT NULL value before it sees a conflict.
        self._required = {
            column.name
            for column in shape.columns
            if not column.nullable and column.default is None and not column.generated
        } - ({spec.key[0]} if len(spec.key) == 1 else set())

    # -- keys ----------------------------------------------------------------------------------------
    def stored_key(self, key: Key) -> tuple[Any, ...]:
        """The key's values as this table stores them; ValueError for what no row can have as its key."""
        if self._encode_single is not None and len(key) == 1:
            stored = self._encode_single(key[0])
            if stored.__class__ is not self._plain_key:
                self._check(self.spec.key[0], stored)
            return (stored,)
        if len(key) != len(self.spec.key):
            raise ValueError(f"key {keys.text(key)} does not have the columns of {self.spec.name}")
        stored = tuple(self._encode[name](part) for name, part in zip(self.spec.key, key, strict=True))
        for name, part in zip(self.spec.key, stored, strict=True):
            self._check(name, part)
        return stored

    def _check(self, name: str, part: Any) -> None:
        """Refuse what this column would make another value of: two keys would be one row."""
        kind = codecs.affinity(self._types[name])
        if (isinstance(part, str) and kind in ("integer", "real") and codecs.is_number(part)) or (
            isinstance(part, int) and kind == "text"
        ):
            raise ValueError(
                f"{self.spec.name}.{name}: {part!r} cannot be a key there: a column of type "
                f"{self._types[name]} makes another value of it"
            )

    def stored_keys(self, wanted: Collection[Key]) -> dict[Key, tuple[Any, ...]]:
        """As stored, of those keys that a row can have."""
        with suppress(ValueError):  # all of them, nearly always
            return {key: self.stored_key(key) for key in wanted}
        found = {}
        for key in wanted:
            with suppress(ValueError):
                found[key] = self.stored_key(key)
        return found

    def key_list(self, wanted: Collection[Key]) -> str:
        """Keys as the JSON array that `chosen` joins with."""
        rows = self.stored_keys(wanted).values()
        return json.dumps([row[0] for row in rows] if len(self.spec.key) == 1 else list(rows))

    def spelled(self, key: Key) -> str:
        """The key as our triggers spell it in the outbox."""
        return keys.text(self.stored_key(key))

    def parse(self, spelled: str | Unreadable) -> Key:
        """The key that a trigger spelled; `Odd` for one that names no row."""
        try:
            key = keys.parse(spelled if isinstance(spelled, str) else spelled.text)
        except ValueError:
            return keys.odd(json.loads(spelled if isinstance(spelled, str) else spelled.text))
        return self.key_of(key) if self._decode_key else key

    def key_of(self, values: Sequence[Any]) -> Key:
        """The key in normal form from stored values; `Odd` for what can be none."""
        found = list(values)
        for at, decode in self._decode_key:
            if found[at] is not None:
                found[at] = decode(found[at])
        try:
            return keys.normal(found)
        except ValueError:
            return keys.odd(each.text if isinstance(each, Unreadable) else each for each in values)

    def odd(self, key: Key) -> tuple[str, list[bytes | int]]:
        """What finds the rows that such a key stands for, and its parameters; the table is `t`."""
        terms: list[str] = []
        given: list[bytes | int] = []
        for name, part in zip(self.spec.key, json.loads(str(key[0])), strict=True):
            if isinstance(part, str):
                terms.append(f"t.{quoted(name)} = CAST(? AS TEXT)")
                given.append(part.encode("utf-8", "surrogateescape"))
            elif part is None:
                terms.append(f"typeof(t.{quoted(name)}) NOT IN ('integer', 'text')")
            else:
                terms.append(f"t.{quoted(name)} = ?")
                given.append(part)
        return (" AND " if given else " OR ").join(terms), given

    # -- rows ----------------------------------------------------------------------------------------
    def row(self, values: Sequence[Any]) -> dict[str, Any]:
        """Stored values of the mapped columns as a row."""
        found = list(values)
        for at, decode in self._decode:
            if found[at] is not None:
                found[at] = decode(found[at])
        return dict(zip(self.spec.columns, found, strict=True))

    def encode(self, row: Row, names: Iterable[str]) -> list[Any]:
        """The values of these columns as they are stored; ValueError names the column."""
        found = []
        for name in names:
            value = row[name]
            if value is not None:
                try:
                    value = self._encode[name](value)
                except ValueError as error:
                    raise ValueError(f"{self.spec.name}.{name}: {error}") from error
            found.append(value)
        return found

    def writes(self, row: Row) -> tuple[str, ...]:
        """The columns of `row` that are written; ValueError for one that is not there."""
        names = tuple(row)
        if not self.written.issuperset(names):
            known = self._types
            missing = [name for name in names if name not in known]
            if missing:
                raise ValueError(f"table {self.spec.name} has no column {', '.join(missing)}")
            names = tuple(name for name in names if name in self.written)
        return names

    # -- statements ----------------------------------------------------------------------------------
    @functools.cached_property
    def chosen(self) -> str:
        """`FROM` the keys of one JSON array parameter; the table is `t`."""
        name, key = self.name, [quoted(each) for each in self.spec.key]
        if len(key) == 1:
            return f"FROM json_each(?) AS j CROSS JOIN {name} AS t ON t.{key[0]} = j.value"
        on = " AND ".join(f"t.{each} = json_extract(j.value, '$[{at}]')" for at, each in enumerate(key))
        return f"FROM json_each(?) AS j CROSS JOIN {name} AS t ON {on}"

    @functools.cached_property
    def delete(self) -> str:
        """Delete one row by its key."""
        where = " AND ".join(f"{quoted(name)} = ?" for name in self.spec.key)
        return f"DELETE FROM {self.name} WHERE {where}"

    def upserts(self, names: tuple[str, ...]) -> bool:
        """Whether an INSERT with these columns can be an upsert: it names all that must have a value."""
        return self._required.issubset(names)

    def upsert(self, names: tuple[str, ...]) -> str:
        """Insert or update one row from these columns."""
        return _upsert(self.name, self.spec.key, names)

    def update(self, names: tuple[str, ...]) -> str:
        """Update one row from these columns, then the key."""
        return _update(self.name, self.spec.key, names)


@functools.lru_cache(maxsize=256)
def _upsert(table: str, key: tuple[str, ...], names: tuple[str, ...]) -> str:
    rest = [quoted(name) for name in names if name not in key]
    then = "UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in rest) if rest else "NOTHING"
    return (
        f"INSERT INTO {table} ({', '.join(map(quoted, names))}) VALUES ({', '.join('?' * len(names))}) "
        f"ON CONFLICT ({', '.join(map(quoted, key))}) DO {then}"
    )


@functools.lru_cache(maxsize=256)
def _update(table: str, key: tuple[str, ...], names: tuple[str, ...]) -> str:
    put = ", ".join(f"{quoted(name)} = ?" for name in names)
    where = " AND ".join(f"{quoted(name)} = ?" for name in key)
    return f"UPDATE {table} SET {put} WHERE {where}"


def _decoders(types: Mapping[str, str], names: Sequence[str]) -> list[tuple[int, codecs.Decoder]]:
    found = [(at, codecs.decoder(types[name])) for at, name in enumerate(names)]
    return [(at, decode) for at, decode in found if decode is not None]


def load(connection: sqlite3.Connection, spec: TableSpec) -> Table:
    """The table as it is now; PlanMismatch when it is not there."""
    shape = read_shape(connection, spec.name)
    if shape is None:
        raise PlanMismatch(
            f"there is no table {spec.name}: the plan maps it; change the plan or the database"
        )
    shape = replace(shape, foreign_keys=tuple(_checkable(connection, shape.foreign_keys)))
    referring = tuple(Target(*each) for each in references_to(connection, spec.name))
    odd = rowid_alias(connection, spec.name) is None
    return Table(spec, shape, referring, _hyphenated(connection, shape), odd)


def _checkable(connection: sqlite3.Connection, given: Iterable[ForeignKey]) -> Iterator[ForeignKey]:
    """Those whose other end is there: SQLite lets a table refer to what does not exist."""
    for each in given:
        other = read_shape(connection, each.to_table)
        there = {column.name.lower() for column in other.columns} if other else set()
        if len(each.columns) == len(each.to_columns) and there.issuperset(map(str.lower, each.to_columns)):
            yield each


def _hyphenated(connection: sqlite3.Connection, shape: TableShape) -> frozenset[str]:
    """The columns of type UUID whose rows have hyphens in them: the type leaves open how it is spelled."""
    found = set()
    for column in shape.columns:
        if column.type.startswith("uuid"):
            name = quoted(column.name)
            row = connection.execute(
                f"SELECT length({name}) FROM {quoted(shape.name)} WHERE typeof({name}) = 'text' LIMIT 1"
            ).fetchone()
            if row and row[0] == len(str(uuid.NAMESPACE_DNS)):
                found.add(column.name)
    return frozenset(found)
