"""One connection for each thread, short transactions, and drivers' errors as ours.

The drivers are used directly, since a mapper's time would be half of an order's. Statements are written once,
with `:name` for values; SQLite gets text for UUIDs and moments, in the spelling that `schema` declares.
"""

from __future__ import annotations

import contextlib
import functools
import re
import sqlite3
import threading
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from extracted.orders.errors import DatabaseAway, Moved, OutcomeUnknown, OutOfIds, Taken, Unusable
from extracted.orders.schema import metadata

T = TypeVar("T")
Row = dict[str, Any]
Insert = tuple[str, Sequence[Row]]  # a table, and rows that name the same columns

CONNECT_TIMEOUT = 5  # seconds: a database that is away is told before the caller's patience ends
BUSY_TIMEOUT = 5.0  # seconds that SQLite's one write lock is waited for
FENCE = "SF001"  # the SQLSTATE with which the fence of the sync refuses a write
NO_IDS = ("2200H", "42P01", "3F000")  # the block's sequence is used up; there is none; not even a schema
UNIQUE = "23505"
DIVISION = "22012"  # by zero: how a statement says that it must not be


def parsed(url: str) -> URL:
    """The URL with a driver that is installed; raises DatabaseAway."""
    try:
        where = make_url(url)
        # The bare name means psycopg2 to SQLAlchemy; psycopg 3 is what is installed.
        where = where.set(drivername="postgresql+psycopg") if where.drivername == "postgresql" else where
        where.get_dialect().import_dbapi()
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
        raise DatabaseAway(
            f"not a database URL that can be used: {error}; for example sqlite:///orders.db"
        ) from error
    return where


def create_schema(url: str) -> None:
    """Create the tables that are missing."""
    where = parsed(url)
    if where.get_backend_name() == "sqlite" and where.database:
        Path(where.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(where)
    try:
        if engine.dialect.name == "sqlite":
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        metadata.create_all(engine)
    except SQLAlchemyError as error:
        raise DatabaseAway(_line(engine.url, getattr(error, "orig", None) or error)) from error
    finally:
        engine.dispose()


def inserting(insert: Insert) -> tuple[str, Row]:
    """The statement, and its values under names that no other table's insert uses."""
    table, rows = insert
    names = list(rows[0])
    marks = ", ".join(f"({', '.join(f':{table}{at}_{name}' for name in names)})" for at in range(len(rows)))
    values = {f"{table}{at}_{name}": row[name] for at, row in enumerate(rows) for name in names}
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES {marks}", values  # noqa: S608 - our own names


class Transaction:
    """What a piece of work may do; `touched` once a statement has been answered."""

    def __init__(self, cursor: Any, postgres: bool) -> None:
        self._cursor, self.postgres = cursor, postgres
        self.touched = False
        self.committing = False  # once an answer that does not come leaves it open whether it was done

    def run(self, statement: str, values: Row | None = None) -> int:
        """Execute; how many rows it changed."""
        self._cursor.execute(_spelled(statement, self.postgres), self._values(values or {}))
        self.touched = True
        return int(self._cursor.rowcount)

    def rows(self, statement: str, values: Row | None = None) -> list[Row]:
        """Execute; the rows by column name."""
        self.run(statement, values)
        names = [column[0] for column in self._cursor.description]
        return [dict(zip(names, map(_read, names, row), strict=True)) for row in self._cursor.fetchall()]

    def insert(self, inserts: Sequence[Insert]) -> None:
        """Insert all of them."""
        for insert in inserts:
            self.run(*inserting(insert))

    def _values(self, values: Row) -> Row:
        return values if self.postgres else {name: _sqlite(value) for name, value in values.items()}


class Database:
    """The service's database. Safe to share between threads; each has its own connection."""

    def __init__(self, url: str) -> None:
        self._url = parsed(url)
        self.postgres = self._url.get_backend_name() == "postgresql"
        self._kept = threading.local()

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Do `work` in one transaction, once; raises DatabaseAway, Moved, OutOfIds, Taken, OutcomeUnknown."""
        return self._do(work, "BEGIN" if self.postgres else "BEGIN IMMEDIATE")

    def alone(self, work: Callable[[Transaction], T]) -> T:
        """Do `work`, in which each statement is a transaction of its own; raises what `write` raises."""
        return self._do(work, None)

    def read(self, statement: str, values: Row | None = None) -> list[Row]:
        """The rows of one statement."""
        return self._do(lambda transaction: transaction.rows(statement, values), None)

    def close(self) -> None:
        """Let go of this thread's connection."""
        connection, self._kept.connection = getattr(self._kept, "connection", None), None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()

    def _do(self, work: Callable[[Transaction], T], begin: str | None) -> T:
        kept = getattr(self._kept, "connection", None)
        if kept is not None:
            transaction = Transaction(kept.cursor(), self.postgres)
            try:
                return self._once(kept, transaction, work, begin)
            except DatabaseAway:
                # A restarted database costs nobody an error: what has answered nothing has done nothing.
                if transaction.touched or getattr(self._kept, "connection", None) is not None:
                    raise
        fresh = self._connect()
        self._kept.connection = fresh
        return self._once(fresh, Transaction(fresh.cursor(), self.postgres), work, begin)

    def _once(
        self, connection: Any, transaction: Transaction, work: Callable[[Transaction], T], begin: str | None
    ) -> T:
        try:
            if begin is not None:
                transaction.run(begin)
                transaction.touched = False
            result = work(transaction)
            if begin is not None:
                transaction.committing = True
                transaction.run("COMMIT")
            return result
        except BaseException as error:
            ours = self._ours(error)
            gone = self.postgres and (connection.closed or connection.broken)
            self._undo(connection, begin)
            if ours is None:
                raise
            if gone and transaction.committing:
                ours = OutcomeUnknown(f"whether it was committed is not known: {ours}")
            raise ours from error

    def _undo(self, connection: Any, begin: str | None) -> None:
        try:
            # SQLite: a failed BEGIN has begun nothing, and an aborted statement leaves its transaction open.
            if begin is not None and (self.postgres or connection.in_transaction):
                connection.execute("ROLLBACK")
        except Exception:  # noqa: BLE001 - whatever it is, the connection is of no use any more
            self.close()
        if self.postgres and (connection.closed or connection.broken):
            self.close()

    def _connect(self) -> Any:
        try:
            if self.postgres:
                import psycopg

                address = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
                return psycopg.connect(
                    address, autocommit=True, connect_timeout=CONNECT_TIMEOUT, application_name="orders"
                )
            file = self._url.database or ""
            if not Path(file).is_file():
                raise DatabaseAway(f"there is no database file {file}")
            connection = sqlite3.connect(file, timeout=BUSY_TIMEOUT, isolation_level=None)
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA synchronous=FULL")
        except (sqlite3.Error, OSError) as error:
            raise DatabaseAway(_line(self._url, error)) from error
        except Exception as error:
            raise (self._ours(error) or error) from error
        return connection

    def _ours(self, error: BaseException) -> Exception | None:
        if isinstance(error, (UnicodeError, OverflowError)):
            return Unusable(str(error))
        if isinstance(error, sqlite3.Error):
            return self._of_sqlite(error)
        if not self.postgres:
            return None
        import psycopg

        if not isinstance(error, psycopg.Error):
            return None
        state, line = error.sqlstate or "", _line(self._url, error)
        if state == FENCE:
            return Moved(str(error).splitlines()[0])
        if state in NO_IDS and ("ids_orders" in str(error) or '"sf"' in str(error)):
            return OutOfIds(line)
        if state == UNIQUE:
            return Taken(error.diag.constraint_name or "")
        if isinstance(error, psycopg.DataError):
            return Unusable(str(error))
        return DatabaseAway(line)

    def _of_sqlite(self, error: sqlite3.Error) -> Exception | None:
        text = str(error)
        if text.startswith("strangler"):
            return Moved(text)
        if text.startswith("UNIQUE constraint failed: "):
            return Taken(text.partition(": ")[2])
        if "sf_ids" in text:
            return OutOfIds(_line(self._url, error))
        return DatabaseAway(_line(self._url, error)) if isinstance(error, sqlite3.OperationalError) else None


@functools.lru_cache(maxsize=512)
def _spelled(statement: str, postgres: bool) -> str:
    return re.sub(r":(\w+)", r"%(\1)s", statement) if postgres else statement


def _sqlite(value: Any) -> Any:
    if isinstance(value, uuid.UUID):
        return value.hex
    return value.isoformat(" ", "microseconds") if isinstance(value, datetime) else value


def _read(name: str, value: Any) -> Any:
    """A moment is aware and in UTC, on either database."""
    if value is None or not name.endswith(("_at", "_local")):
        return value
    moment: datetime = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.astimezone(UTC) if moment.tzinfo else moment


def _line(url: URL, error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"{url.render_as_string()}: {lines[0]}"
