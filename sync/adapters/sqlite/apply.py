"""Rows into the follower's tables: all at once, and one by one only where the database refused.

Prepared before the lock is taken: the file has one write lock, and the applications beside us wait for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sync.adapters.sqlite.blame import REFUSALS, of_the_row
from sync.adapters.sqlite.parking import park
from sync.adapters.sqlite.part import Part
from sync.adapters.sqlite.references import broken
from sync.adapters.sqlite.snapshot import existing_keys
from sync.adapters.sqlite.tables import Table
from sync.core.values import Change, Key
from sync.errors import CannotApply

Problems = dict[tuple[str, tuple[object, ...]], str]
_ANEW = 20  # times that refused rows are tried again, as long as some of them pass


@dataclass(slots=True)
class Batch:
    """One statement and all its parameters: rows of one table that are written (or deleted) alike."""

    entity: str
    table: Table
    names: tuple[str, ...]  # the columns written; none: delete
    keys: list[Key] = field(default_factory=list)
    values: list[Sequence[Any]] = field(default_factory=list)


Refused = dict[int, tuple[Batch, dict[int, str]]]
"""Batches by identity, with the places of the rows that the database refused, and its answers."""


def _problems(refused: Iterable[tuple[Batch, Mapping[int, str]]]) -> Problems:
    problems: Problems = {}
    for batch, found in refused:
        for at, why in found.items():
            problems.setdefault((batch.entity, batch.keys[at]), why)
    return problems


class Work:
    """The changes of a round as batches, in the order in which they were given."""

    def __init__(self, part: Part, slice_name: str, changes: Sequence[Change]) -> None:
        """Encode everything; CannotApply names the keys that have no spelling here."""
        self._part = part
        spec = part.spec(slice_name)
        self._tables = {each.name: part.entity_tables(slice_name, each) for each in spec.entities}
        self.batches: list[Batch] = []
        problems: Problems = {}
        last: tuple[object, ...] = ()
        open_batches: dict[tuple[str, tuple[str, ...]], Batch] = {}
        for change in changes:
            kind = (change.entity, change.rows is None)
            if kind != last:
                last, open_batches = kind, {}
            try:
                for table, names, values in self._writes(change):
                    batch = open_batches.get((table.spec.name, names))
                    if batch is None:
                        batch = Batch(change.entity, table, names)
                        open_batches[table.spec.name, names] = batch
                        self.batches.append(batch)
                    batch.keys.append(change.key)
                    batch.values.append(values)
            except ValueError as error:
                problems[change.entity, change.key] = str(error)
        if problems:
            raise CannotApply(problems)

    def _writes(self, change: Change) -> list[tuple[Table, tuple[str, ...], Sequence[Any]]]:
        tables = self._tables[change.entity]
        if change.rows is None:
            return [(table, (), table.stored_key(change.key)) for table in reversed(tables)]
        writes: list[tuple[Table, tuple[str, ...], Sequence[Any]]] = []
        tables[0].stored_key(change.key)  # the row's own value may be stored, as another one
        for table in tables:
            row = change.rows.get(table.spec.name)
            if row is None:
                writes.append((table, (), table.stored_key(change.key)))
                continue
            names = table.writes(row)
            if not set(table.spec.key).issubset(names):
                row = {**dict(zip(table.spec.key, change.key, strict=True)), **row}
                names = table.writes(row)
            writes.append((table, names, table.encode(row, names)))
        return writes

    def at_once(self) -> bool:
        """Write it all inside the caller's transaction; False when the database refused some of it."""
        try:
            for batch in self.batches:
                self._all(batch)
        except REFUSALS as error:
            if not of_the_row(error):
                raise
            return False
        self._check_references()
        return True

    def _check_references(self) -> None:
        problems = broken(self._part.raw, self.batches)
        if problems:
            raise CannotApply(problems)

    def _all(self, batch: Batch) -> None:
        connection, table = self._part.raw, batch.table
        if not batch.names:
            connection.executemany(table.delete, batch.values)
        elif table.upserts(batch.names):
            connection.executemany(table.upsert(batch.names), batch.values)
        else:
            there = existing_keys(self._part, table, batch.keys)
            for key, values in zip(batch.keys, batch.values, strict=True):
                connection.execute(*self._statement(batch, values, key in there))

    def _statement(self, batch: Batch, values: Sequence[Any], there: bool) -> tuple[str, Sequence[Any]]:
        """An UPDATE for a row that is there, where an INSERT would miss columns that must have a value."""
        table = batch.table
        if not batch.names:
            return table.delete, values
        if not there or table.upserts(batch.names):
            return table.upsert(batch.names), values
        key = [values[batch.names.index(name)] for name in table.spec.key]
        return table.update(batch.names), [*values, *key]

    def carefully(self) -> None:
        """Row by row, unique values out of the way first (two rows may swap them); CannotApply says whose.

        What is refused is tried again while others pass: the value that it waits for may be free by then.
        """
        connection = self._part.raw
        for table, keys in self._touched().values():
            park(connection, table, keys)
        refused = self._one_by_one([(batch, range(len(batch.keys))) for batch in self.batches])
        for _ in range(_ANEW):
            again = self._one_by_one([(batch, list(found)) for batch, found in refused.values()])
            passed = sum(len(found) for _, found in refused.values()) - sum(len(f) for _, f in again.values())
            refused = again
            if not passed:
                break
        if refused:
            raise CannotApply(_problems(refused.values()))
        self._check_references()

    def _one_by_one(self, todo: Iterable[tuple[Batch, Iterable[int]]]) -> Refused:
        """Which rows of which batches are refused, and why."""
        connection = self._part.raw
        refused: Refused = {}
        for batch, places in todo:
            there: Collection[Key] = existing_keys(self._part, batch.table, batch.keys) if batch.names else ()
            for at in places:
                try:
                    connection.execute(*self._statement(batch, batch.values[at], batch.keys[at] in there))
                except REFUSALS as error:
                    if not of_the_row(error):
                        raise
                    refused.setdefault(id(batch), (batch, {}))[1][at] = f"{batch.table.spec.name}: {error}"
                    if not connection.in_transaction:  # a trigger said RAISE(ROLLBACK)
                        raise CannotApply(_problems(refused.values())) from error
        return refused

    def _touched(self) -> Mapping[str, tuple[Table, list[Key]]]:
        found: dict[str, tuple[Table, list[Key]]] = {}
        for batch in self.batches:
            found.setdefault(batch.table.spec.name, (batch.table, []))[1].extend(batch.keys)
        return found
