"""One moment of the authority: lock the tables against DDL, check the stamp, read in one snapshot."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from sync.adapters.postgres import reading
from sync.adapters.postgres.coding import array_of
from sync.adapters.postgres.link import BY_KEY, Link
from sync.adapters.postgres.names import holder_name, literal, short
from sync.adapters.postgres.statements import statements
from sync.adapters.postgres.tables import Tables
from sync.core.records import Incarnation, Stamp
from sync.core.values import Key, Mark, Rows

_STAMP = statements("catalog.sql")["stamp"]
# Behind a migration's lock ours would make the application's reads wait too: give up at once, and come again.
_LOCK_TIMEOUT = "300ms"
# The timeline of the running server: the control file's lags behind a promotion until the next checkpoint.
_INCARNATION = """
SELECT (SELECT system_identifier FROM pg_control_system())::text || '/' ||
    CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END,
    (SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM sf.outbox_seq),
    coalesce((SELECT round FROM sf.side WHERE slice = %s), 0)
"""


def stamp(link: Link, tables: Tables) -> Stamp:
    """The tables and triggers as they are in the present transaction, and as they were accepted."""
    slice_name = tables.spec.name
    values = {"tables": tables.oids, "slice": slice_name, "pass": short(f"pass:{slice_name}")}
    now, installed = link.run(_STAMP, values)[0]
    return Stamp(now or "", installed or "")


class PostgresSnapshot:
    """One repeatable-read transaction."""

    def __init__(self, link: Link, tables: Tables) -> None:
        """The tables are locked; the first question takes the snapshot."""
        self._link = link
        self._tables = tables
        self._slice = tables.spec.name
        self.stamp = stamp(link, tables)
        self.incarnation = Incarnation(*link.run(_INCARNATION, (self._slice,))[0])

    def pending(self, after_seq: int, limit: int) -> Sequence[Mark]:
        """The oldest marks above `after_seq`, by seq."""
        found = self._link.run(
            "SELECT seq, tbl, pk, deleted, writer FROM sf.outbox WHERE slice = %s AND seq > %s"
            " ORDER BY seq LIMIT %s",
            (self._slice, after_seq, limit),
        )
        tables = self._tables.by_name
        return [
            Mark(seq, name, tables[name].key_from(key), deleted, writer)
            for seq, name, key, deleted, writer in found
            if name in tables
        ]

    def nonce(self, seq: int) -> str:
        """Acknowledged rows are gone here: a restore shows in the incarnation."""
        return ""

    def pending_among(self, table: str, keys: Collection[Key], after_seq: int) -> Mapping[Key, bool]:
        """Those of the keys that are pending; True when a mark says deleted."""
        spelled = {self._tables.by_name[table].mark_text(key): key for key in keys}
        found = self._link.run(
            "SELECT pk, bool_or(deleted) FROM sf.outbox WHERE slice = %s AND tbl = %s AND seq > %s"
            " AND pk = ANY(%s::text[]) GROUP BY pk",
            (self._slice, table, after_seq, array_of(spelled)),
        )
        return {spelled[key]: deleted for key, deleted in found}

    def rows(self, entity: str, keys: Collection[Key]) -> Mapping[Key, Rows]:
        """The entity's rows for those keys that exist."""
        return reading.rows_of(self._link, self._tables, entity, keys)

    def left_alone(self, entity: str, keys: Collection[Key]) -> Mapping[Key, str]:
        """Keys without a root row that have one in a further table."""
        _, *further = self._tables.of(entity)
        return {key: each.spec.name for each in further for key in reading.existing(self._link, each, keys)}

    def keys_after(self, entity: str, after: Key | None, limit: int) -> Sequence[Key]:
        """The next keys of the root table."""
        return reading.keys_after(self._link, self._tables.root(entity), after, limit)

    def existing(self, entity: str, keys: Collection[Key]) -> frozenset[Key]:
        """Which of these keys exist."""
        return reading.existing(self._link, self._tables.root(entity), keys)


@contextmanager
def snapshot(link: Link, tables: Tables, holder: str) -> Iterator[PostgresSnapshot]:
    """Begin, lock, look; LOCK TABLE takes no snapshot: DDL that was waited for is seen by what follows."""
    listed = ", ".join(each.name for each in tables.by_name.values())
    link.run(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
        f"SET LOCAL application_name = {literal(holder_name(tables.spec.name, holder))};"
        f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}';"
        f"{BY_KEY} LOCK TABLE {listed} IN ACCESS SHARE MODE"
    )
    try:
        yield PostgresSnapshot(link, tables)
    finally:
        link.leave()
