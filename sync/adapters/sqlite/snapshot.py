"""One moment of the authority: a read transaction."""

# ruff: noqa: S608 - names of tables and columns come from the plan and the schema, and are quoted

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

from sync.adapters.sqlite.part import Part
from sync.adapters.sqlite.tables import Table
from sync.core.keys import of as key_of
from sync.core.records import Incarnation
from sync.core.values import Key, Mark, Row, Rows
from sync.errors import SliceStopped

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
            try:
                marks.append(Mark(seq, name, tables[name].parse(spelled), bool(deleted), writer))
            except ValueError as error:
                raise SliceStopped(
                    f"{self._part.path}: a row of {name} has the key {spelled}, which names no row: {error}; "
                    f"give it a key, then delete row {seq} of sf_outbox"
                ) from error
        return marks

    def nonce(self, seq: int) -> str:
        """The row's random number."""
        row = self._part.one("SELECT nonce FROM sf_outbox WHERE seq = ?", (seq,))
        return str(row[0]) if row else ""

    def pending_count(self, after_seq: int) -> int:
        """How many marks are pending."""
        sql = "SELECT count(*) FROM sf_outbox WHERE seq > ? AND slice = ?"
        count: int = self._part.one(sql, (after_seq, self._slice))[0]
        return count

    def pending_among(self, table: str, keys: Collection[Key], after_seq: int) -> Mapping[Key, bool]:
        """Which of these keys are pending."""
        known = self._table(table)
        spelled = {known.spelled(key): key for key in keys}
        found = self._part.run(_AMONG, (after_seq, self._slice, table, json.dumps(list(spelled))))
        return {spelled[pk]: bool(deleted) for pk, deleted in found}

    def rows(self, entity: str, keys: Collection[Key]) -> Mapping[Key, Rows]:
        """The entity's rows."""
        return read_rows(self._part, self._slice, entity, keys)

    def existing(self, entity: str, keys: Collection[Key]) -> frozenset[Key]:
        """Which of these keys exist."""
        return existing_keys(self._part, self._root(entity), keys)

    def keys_after(self, entity: str, after: Key | None, limit: int) -> Sequence[Key]:
        """The next keys, in the order of this database."""
        root = self._root(entity)
        stored = () if after is None else root.stored_key(after)
        where = f"WHERE ({root.key_columns}) > ({', '.join('?' * len(stored))})" if stored else ""
        found = self._part.run(
            f"SELECT {root.key_columns} FROM {root.name} AS t {where} ORDER BY {root.key_columns} LIMIT ?",
            (*stored, limit),
        )
        return [root.key_of(each) for each in found]

    def _root(self, entity: str) -> Table:
        return self._table(self._spec.entity(entity).root(self._part.side).name)


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
