"""One connection to PostgreSQL, and what its errors are in this room's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors as pg

from sync.adapters.postgres.watch import WATCH
from sync.errors import Busy, DatabaseAway, Overtaken, PlanMismatch, Refused, SliceStopped, SyncError

Parameters = Sequence[Any] | Mapping[str, Any] | None

# Nothing of the server's, the role's or the database's defaults may decide what we read and write.
# row_security off: PostgreSQL then refuses to answer instead of answering with fewer rows.
SETTINGS = """
SET search_path = pg_catalog, pg_temp; SET row_security = off; SET client_min_messages = warning;
SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET bytea_output = 'hex';
SET extra_float_digits = 1; SET jit = off; SET default_transaction_isolation = 'read committed';
SET default_transaction_read_only = off; SET synchronous_commit = on;
SET lock_timeout = '2s'; SET statement_timeout = '15s'; SET idle_in_transaction_session_timeout = '10s'
"""
# Inside rounds and snapshots everything is looked up by key. A plan made while a table was small, or not
# analysed, stays in use for a minute or so while the table grows: it must not be one that reads all of it.
# Bitmap scans remember no dead rows: trimming the log would visit all that was trimmed since the last vacuum.
BY_KEY = """SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;
SET LOCAL enable_bitmapscan = off;"""
PATIENCE = 18.0  # seconds for one statement: a little more than the server gives it
_SEVERAL = 3  # times as long for statements that are sent ahead
_KINDS: dict[str, tuple[type[SyncError], str]] = {
    "SF001": (Refused, ""),
    "55P03": (Busy, "a lock could not be had in time; try again"),
    "40P01": (Busy, "a deadlock; try again"),
    "57014": (Busy, "the statement took too long; try again"),
    "40001": (Overtaken, "another transaction went first; try again"),
    "25P03": (Overtaken, "this transaction sat idle for too long and was ended"),
    "42501": (SliceStopped, "we lack a right there; `capture plan` lists the grants"),
    "42P01": (PlanMismatch, "install capture, or correct the plan's table"),
    "3F000": (PlanMismatch, "install capture there first"),
    "42883": (PlanMismatch, "install capture there first"),
    "42703": (PlanMismatch, "correct the plan's columns"),
    "25006": (DatabaseAway, "this server is read only: is it a standby?"),
}
_AWAY = ("08", "57P", "53")  # connection lost, server going or coming, resources (disk, connections) used up


def translated(error: psycopg.Error, where: str) -> SyncError:
    """What a driver's error is here: whose fault, and what to do."""
    state = error.sqlstate or ""
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if state in _KINDS:
        kind, cure = _KINDS[state]
        return kind(first if not cure else f"{where}: {first}; {cure}")
    if state.startswith(_AWAY) or (not state and isinstance(error, pg.OperationalError | pg.InterfaceError)):
        return DatabaseAway(f"{where}: {first}; is the server up, and may we log in?")
    return SyncError(f"{where}: {first}")


class Link:
    """A connection in autocommit; `run` answers with rows, errors are those of `sync.errors`."""

    def __init__(
        self, connection: psycopg.Connection[tuple[Any, ...]], where: str, patience: float = PATIENCE
    ) -> None:
        """`where` says which database it is, in messages; `patience`: seconds for one statement."""
        self.connection = connection
        self.where = where
        self.patience = patience

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turn what the driver raises inside into our errors."""
        try:
            yield
        except psycopg.Error as error:
            raise translated(error, self.where) from error

    def raw(self, statement: str, parameters: Parameters = None) -> list[tuple[Any, ...]]:
        """As `run`, with the driver's own errors: for whoever looks at what went wrong."""
        with WATCH.over(self._fileno(), self.patience):
            cursor = self.connection.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def run(self, statement: str, parameters: Parameters = None) -> list[tuple[Any, ...]]:
        """Execute; the rows, if it answers with rows. Several statements in one when without parameters."""
        with self.told():
            return self.raw(statement, parameters)

    @contextmanager
    def patient(self, seconds: float) -> Iterator[None]:
        """Inside, a statement may take that long; the server's statement_timeout is the caller's to set."""
        before, self.patience = self.patience, seconds
        try:
            yield
        finally:
            self.patience = before

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """Inside, statements without an answer are sent, and not waited for: we make the next one meanwhile.

        What the server says against one of them comes at a later one, or at the end.
        """
        if not psycopg.Pipeline.is_supported():  # a libpq older than 14
            yield
            return
        failure: Exception | None = None
        with WATCH.over(self._fileno(), _SEVERAL * self.patience):
            try:
                with self.connection.pipeline():
                    try:
                        yield
                    except Exception as error:  # noqa: BLE001 - raised below: psycopg would log what follows from it
                        failure = error
            except psycopg.Error:
                if failure is None:
                    raise
        if failure is not None:
            raise failure

    def _fileno(self) -> int:
        return -1 if self.connection.closed else self.connection.fileno()

    def one(self, statement: str, parameters: Parameters = None) -> Any:
        """The first column of the first row; None without rows."""
        rows = self.run(statement, parameters)
        return rows[0][0] if rows else None

    def many(self, statement: str, parameters: Sequence[Sequence[Any]]) -> None:
        """Once for each, in one round trip."""
        if parameters:
            patience = WATCH.over(self._fileno(), self.patience)
            with self.told(), patience, self.connection.cursor() as cursor:
                cursor.executemany(statement.encode(), parameters)

    @contextmanager
    def transaction(self, begin: str = "BEGIN") -> Iterator[None]:
        """Commit at the end, roll back on an error or when the block asks no commit."""
        self.run(begin)
        try:
            yield
            self.run("COMMIT")
        finally:
            self.rollback()

    def leave(self) -> None:
        """End a transaction that wrote nothing; after a ROLLBACK psycopg prepares every statement anew."""
        if not self.connection.closed and (
            self.connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        ):
            self.run("COMMIT")
        self.rollback()

    def rollback(self) -> None:
        """Leave whatever transaction there is; a dead connection has none."""
        idle = psycopg.pq.TransactionStatus.IDLE
        if not self.connection.closed and self.connection.info.transaction_status != idle:
            try:
                self.raw("ROLLBACK")
            except psycopg.Error:
                self.connection.close()

    def close(self) -> None:
        """Let go."""
        self.connection.close()
