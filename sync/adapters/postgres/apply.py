"""Put one round's changes into the tables: all at once, and when the database refuses, find out which keys.

Everything happens behind a savepoint: an attempt that fails leaves nothing behind.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import psycopg

from sync.adapters.postgres import writing
from sync.adapters.postgres.blame import of_the_row, said
from sync.adapters.postgres.coding import array_of
from sync.adapters.postgres.deferred import doubled
from sync.adapters.postgres.link import Link
from sync.adapters.postgres.parking import park
from sync.adapters.postgres.tables import ForeignLink, Table, Tables
from sync.core import keys as key_texts
from sync.core.values import Change, Key, Row
from sync.errors import CannotApply

Problems = dict[tuple[str, tuple[object, ...]], str]
_AHEAD = 1000  # rows of a statement: we spell the next thousand while the server writes the last
_LARGE = 4_000_000  # characters of a statement: the server ends a transaction that we leave idle for seconds
_SIZED = frozenset({str, bytes})
_ANEW = 20  # times that refused rows are tried again, as long as some of them pass
_REMEMBER = """INSERT INTO sf.applied (slice, entity, key, peer_key, epoch, round, deleted)
SELECT %s, entity, key, peer, %s, %s, deleted FROM unnest(%s::text[], %s::text[], %s::text[], %s::boolean[])
AS u(entity, key, peer, deleted)
ON CONFLICT (slice, entity, key) DO UPDATE SET peer_key = excluded.peer_key, epoch = excluded.epoch,
    round = excluded.round, deleted = excluded.deleted"""
# A tombstone gives its peer's name to the key that is mapped to it now.
_FORGET = """DELETE FROM sf.applied a USING unnest(%s::text[], %s::text[], %s::text[]) AS u(entity, key, peer)
WHERE a.slice = %s AND a.entity = u.entity AND a.peer_key = u.peer AND a.key <> u.key AND a.deleted"""


class Work:
    """The changes of one round, at one version (epoch, round)."""

    def __init__(
        self, link: Link, tables: Tables, version: tuple[int, int], meanwhile: Callable[[], object] = int
    ) -> None:
        """`link` is in the round's transaction; `meanwhile` is done while the server works."""
        self._link = link
        self._tables = tables
        self._version = version
        self._meanwhile = meanwhile

    def do(self, changes: Sequence[Change]) -> None:
        """Apply all of them; CannotApply names the keys at fault, and then nothing has been applied."""
        with self._link.told():
            problems = self._attempt(changes, park=False)
            if problems is None:  # something was refused: once more with the unique values parked
                problems = self._attempt(changes, park=True)
            if problems is None:
                problems = self._blame(changes)
        if problems:
            raise CannotApply(problems)

    def _attempt(self, changes: Sequence[Change], *, park: bool) -> Problems | None:
        """One try behind a savepoint: None when the database refused a statement, else what we found."""
        self._link.raw("SAVEPOINT work")
        try:
            if park:
                self._park(changes)
            with self._link.ahead():
                self._write(changes, trust=not park)
                self._meanwhile()
            problems = self._unsound(changes)
        except (psycopg.Error, ValueError) as error:
            if isinstance(error, psycopg.Error) and not of_the_row(error):
                raise
            self._link.raw("ROLLBACK TO SAVEPOINT work; RELEASE SAVEPOINT work")
            return None
        self._link.raw("ROLLBACK TO SAVEPOINT work" if problems else "RELEASE SAVEPOINT work")
        return problems

    def _blame(self, changes: Sequence[Change]) -> Problems:
        """Who is at fault: halve what fails until single changes are left; undone, unless nobody is.

        One by one some rows pass that could not together: the value that each waits for is free in time.
        """
        self._link.raw("SAVEPOINT blame")
        self._park(changes)
        todo, problems = list(changes), self._refused(changes)
        for _ in range(_ANEW):
            if not 0 < len(problems) < len(todo):
                break
            todo = [each for each in todo if (each.entity, each.key) in problems]
            problems = self._refused(todo)
        # Who lacks a row that was refused is told for whom it waits: what is unsound by itself comes up next.
        problems = problems or self._unsound(changes)
        self._link.raw(("ROLLBACK TO SAVEPOINT blame;" if problems else "") + "RELEASE SAVEPOINT blame")
        return problems

    def _refused(self, changes: Sequence[Change]) -> Problems:
        problems: Problems = {}
        self._halve(changes, problems)
        return problems

    def _halve(self, changes: Sequence[Change], problems: Problems) -> None:
        self._link.raw("SAVEPOINT half")
        try:
            self._write(changes)
        except (psycopg.Error, ValueError) as error:
            if isinstance(error, psycopg.Error) and not of_the_row(error):
                raise
            self._link.raw("ROLLBACK TO SAVEPOINT half; RELEASE SAVEPOINT half")
            if len(changes) == 1:
                problems[changes[0].entity, changes[0].key] = said(error)
                return
            middle = len(changes) // 2
            self._halve(changes[:middle], problems)
            self._halve(changes[middle:], problems)
        else:
            self._link.raw("RELEASE SAVEPOINT half")

    # -- what one try does -------------------------------------------------------------------------

    def _write(self, changes: Sequence[Change], *, trust: bool = False) -> None:
        """`trust`: what was not there when the round read it is inserted, and refused if it is there now."""
        for (entity, deletes), group in itertools.groupby(changes, lambda c: (c.entity, c.rows is None)):
            tables = self._tables.of(entity)
            if deletes:
                keys = [each.key for each in group]
                for table in reversed(tables):
                    writing.take(self._link, table, keys)
            else:
                self._put(tables, list(group), trust=trust)
        self._remember(changes)

    def _put(self, tables: Sequence[Table], group: Sequence[Change], *, trust: bool) -> None:
        for table in tables:
            name = table.spec.name
            absent = [each.key for each in group if each.rows is not None and each.rows.get(name) is None]
            if absent:
                writing.take(self._link, table, absent)
            shapes: dict[tuple[bool, tuple[str, ...]], list[Row]] = {}
            for each in group:
                row = each.rows[name] if each.rows is not None and name in each.rows else None
                if row is not None:
                    # Without a root row nothing is known of further tables: one may have a row all the same.
                    # A deferrable key would refuse nothing.
                    new = trust and each.before is None and table is tables[0] and not table.deferrable
                    shapes.setdefault((new, tuple(row)), []).append(row)
            for new, names in sorted(shapes, key=lambda each: each[0]):  # a change may free what is to be new
                for part in _parts(shapes[new, names]):
                    writing.put(self._link, table, part, new=new)

    def _remember(self, changes: Sequence[Change]) -> None:
        deleted = array_of(["f" if each.rows else "t" for each in changes])
        self._link.raw(_REMEMBER, (self._tables.spec.name, *self._version, *_named(changes), deleted))

    def _park(self, changes: Sequence[Change]) -> None:
        self._link.raw(_FORGET, (*_named(changes), self._tables.spec.name))
        for entity, group in itertools.groupby(changes, lambda each: each.entity):
            keys = [each.key for each in group]
            for table in self._tables.of(entity):
                park(self._link, table, keys)

    # -- foreign keys, and what is deferrable: replica mode does not check it -----------------------------

    def _unsound(self, changes: Sequence[Change]) -> Problems:
        problems: Problems = {}
        for entity in self._tables.spec.entities:
            there = [each.key for each in changes if each.entity == entity.name and each.rows is not None]
            gone = [each.key for each in changes if each.entity == entity.name and each.rows is None]
            for table in self._tables.of(entity):
                problems |= self._orphans(entity.name, table, there)
                problems |= self._left_behind(entity.name, table, gone)
                problems |= {(entity.name, key): why for key, why in doubled(self._link, table, there)}
        return problems

    def _orphans(self, entity: str, table: Table, keys: Sequence[Key]) -> Problems:
        found: Problems = {}
        for link in (*table.out, *self._declared(entity, table)) if keys else ():
            for key, why in writing.dangling(self._link, table, link, keys):
                found[entity, key] = why
        return found

    def _left_behind(self, entity: str, table: Table, keys: Sequence[Key]) -> Problems:
        return {
            (entity, key): f"rows of {link.name} still refer to it"
            for link in (table.into if keys else ())
            for key in writing.referred(self._link, table, link, keys)
        }

    def _declared(self, entity: str, table: Table) -> list[ForeignLink]:
        """References of the plan that the database has no constraint for."""
        side = self._tables.side.value
        known = {each.columns for each in table.out}
        found = []
        for each in self._tables.spec.entity(entity).references:
            column = getattr(each, side)
            if column in table.spec.columns and (column,) not in known:
                root = self._tables.root(each.to)
                found.append(
                    ForeignLink(table.oid, table.name, (column,), root.oid, root.name, root.spec.key)
                )
        return found


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The rows of one statement each: a thousand, or so much text that it takes us a moment to spell it."""
    start, size = 0, 0
    for at, row in enumerate(rows):
        size += sum([len(value) for value in row.values() if value.__class__ in _SIZED])
        if size >= _LARGE or at - start >= _AHEAD - 1:
            yield rows[start : at + 1]
            start, size = at + 1, 0
    if start < len(rows):
        yield rows[start:]


def _named(changes: Sequence[Change]) -> tuple[str, str, str]:
    """Entities, keys and peers' keys, an array each."""
    return (
        array_of([each.entity for each in changes]),
        array_of(key_texts.texts([each.key for each in changes])),
        array_of(key_texts.texts([each.peer_key for each in changes])),
    )
