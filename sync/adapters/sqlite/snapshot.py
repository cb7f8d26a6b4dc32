"""One moment of the authority: a read transaction."""

# ruff: noqa: S608 - names of tables and columns come from the plan and the schema, and are quoted

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sync.adapters.sqlite.part import Part
from sync.adapters.sqlite.schema import quoted
from sync.adapters.sqlite.tables import Table
from sync.core.keys import is_odd, odd
from sync.core.keys import of as key_of
from sync.core.keys import text as text_of
from sync.core.records import Incarnation
from sync.core.values import Key, Mark, Row, Rows

_PENDING = """SELECT seq, tbl, pk, deleted, coalesce(writer, '') FROM sf_outbox
    WHERE seq > ? AND slice = ? AND tbl IN (SELECT value FROM json_each(?)) ORDER BY seq LIMIT ?"""
_AMONG = """SELECT pk, max(deleted) FROM sf_outbox
    WHERE seq > ? AND slice = ? AND tbl = ? AND pk IN (SELECT value FROM json_each(?)) GROUP BY pk"""


class SqliteSnapshot:
    """Made inside a read transaction of `part`, which it ends with."""

    def __init__(self, part: Part, slice_name: str) -> None:
        """The first read: from here on everything is of one moment."""
        self._part = part
        self._slice = slice_name
        self._spec = part.spec(slice_name)
        self.stamp = part.stamp(slice_name)
        self.incarnation = incarnation(part)
        self._names = json.dumps([each.name for each in self._spec.tables(part.side)])

    def _table(self, name: str) -> Table:
        return self._part.table(self._slice, name)

    def pending(self, after_seq: int, limit: int) -> Sequence[Mark]:
        """The oldest marks above `after_seq`."""
        found = self._part.run(_PENDING, (after_seq, self._slice, self._names, limit))
        marks = []
        tables = {each.name: self._table(each.name) for each in self._spec.tables(self._part.side)}
        for seq, name, spelled, deleted, writer in found:
            marks.append(Mark(seq, name, tables[name].parse(spelled), bool(deleted), writer))
        return marks

    def nonce(self, seq: int) -> str:
        """The row's random number."""
        row = self._part.one("SELECT nonce FROM sf_outbox WHERE seq = ?", (seq,))
        return str(row[0]) if row else ""

    def pending_among(self, table: str, keys: Collection[Key], after_seq: int) -> Mapping[Key, bool]:
        """Which of these keys are pending."""
        known = self._table(table)
        spelled = {text_of(stored): key for key, stored in known.stored_keys(keys).items()}
        found = self._part.run(_AMONG, (after_seq, self._slice, table, json.dumps(list(spelled))))
        return {spelled[pk]: bool(deleted) for pk, deleted in found}

    def rows(self, entity: str, keys: Collection[Key]) -> Mapping[Key, Rows]:
        """The entity's rows."""
        return read_rows(self._part, self._slice, entity, keys)

    def existing(self, entity: str, keys: Collection[Key]) -> frozenset[Key]:
        """Which of these keys exist, those that name no row too."""
        root = self._root(entity)
        odd = frozenset(key for key in keys if is_odd(key) and self._is_odd(root, key))
        return odd | existing_keys(self._part, root, keys)

    def left_alone(self, entity: str, keys: Collection[Key]) -> Mapping[Key, str]:
        """Keys without a root row that have one in a further table."""
        _, *further = self._part.entity_tables(self._slice, self._spec.entity(entity))
        return {key: each.spec.name for each in further for key in existing_keys(self._part, each, keys)}

    def keys_after(self, entity: str, after: Key | None, limit: int) -> Sequence[Key]:
        """The next keys, in the order of this database; before all, `Odd` for what is no text or integer."""
        root = self._root(entity)
        nameless = odd([None] * len(root.spec.key))
        first = [nameless] if after is None and root.may_be_odd and self._is_odd(root, nameless) else []
        where, given = _above(root, None if after == nameless else after)
        found = self._part.run(
            f"SELECT {root.key_columns} FROM {root.name} AS t {where} ORDER BY {root.key_columns} LIMIT ?",
            (*given, limit),
        )
        return first + [root.key_of(each) for each in found]

    def _is_odd(self, root: Table, key: Key) -> bool:
        terms, given = root.odd(key)
        return bool(self._part.run(f"SELECT 1 FROM {root.name} AS t WHERE {terms} LIMIT 1", given))

    def _root(self, entity: str) -> Table:
        return self._table(self._spec.entity(entity).root(self._part.side).name)


def _above(root: Table, after: Key | None) -> tuple[str, list[Any]]:
    """What a walk goes over: keys that are integers or text, though perhaps not text that we can read."""
    columns = [f"t.{quoted(name)}" for name in root.spec.key]
    terms = [f"typeof({each}) IN ('integer', 'text')" for each in columns] if root.may_be_odd else []
    given: list[Any] = []
    if after is not None:
        plain = not is_odd(after)
        stored = root.stored_key(after) if plain else json.loads(str(after[0]))
        places = ["CAST(? AS TEXT)" if not plain and isinstance(each, str) else "?" for each in stored]
        terms.append(f"({root.key_columns}) > ({', '.join(places)})")
        given = [each if plain or not isinstance(each, str) else each.encode("utf-8", "surrogateescape")
                 for each in stored]  # fmt: skip
    return f"WHERE {' AND '.join(terms)}" if terms else "", given


def incarnation(part: Part) -> Incarnation:
    """Which life of the file this is. A restored copy changes nothing here: `Seen.acked_nonce` tells it."""
    row = part.one(
        "SELECT identity, (SELECT seq FROM sqlite_sequence WHERE name = 'sf_outbox') FROM sf_installation"
    )
    return Incarnation(row[0] if row else "", (row[1] or 0) if row else 0, -1)


def read_rows(part: Part, slice_name: str, entity: str, keys: Collection[Key]) -> dict[Key, Rows]:
    """The rows of those entities that exist, further tables as None where they have no row."""
    if not keys:
        return {}
    root, *further = part.entity_tables(slice_name, part.spec(slice_name).entity(entity))
    rows: dict[Key, dict[str, Row | None]] = {}
    for key, row in _table_rows(part, root, keys).items():
        rows[key] = {root.spec.name: row}
    for table in further:
        found = _table_rows(part, table, rows)
        for key, each in rows.items():
            each[table.spec.name] = found.get(key)
    return dict(rows)


def _table_rows(part: Part, table: Table, keys: Collection[Key]) -> dict[Key, Row]:
    if table.maps_key:
        found = part.run(f"SELECT {table.columns} {table.chosen}", (table.key_list(keys),))
        return {key_of(row, table.spec.key): row for row in map(table.row, found)}
    size = len(table.spec.key)
    found = part.run(f"SELECT {table.key_columns}, {table.columns} {table.chosen}", (table.key_list(keys),))
    return {table.key_of(each[:size]): table.row(each[size:]) for each in found}


def existing_keys(part: Part, table: Table, keys: Collection[Key]) -> frozenset[Key]:
    """Which of these keys the table has."""
    found = part.run(f"SELECT {table.key_columns} {table.chosen}", (table.key_list(keys),))
    return frozenset(table.key_of(each) for each in found)
