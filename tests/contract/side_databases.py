"""A small bank in two databases: what every `sync.ports.SideDatabase` is held to.

The application writes over a connection of its own, as a role that has no right on our objects.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy import make_url

from sync.core.records import Settled
from sync.core.values import Authority, Change, Entity, Key, Rows, Side
from sync.ports import Session, SideDatabase
from tests.contract.bank import (
    ACCOUNT,
    BANK,
    CLOSED,
    OPEN,
    SPEC,
    TRANSFER,
    legacy_id,
    service_id,
    tables,
)

__all__ = [
    "ACCOUNT", "BANK", "CLOSED", "OPEN", "ROLES", "SPEC", "TRANSFER", "Bank", "Banks", "PostgresApplication",
    "SqliteApplication", "deletes", "legacy_id", "one_round", "open_banks", "other_key", "pending",
    "service_id", "translated_key", "upserts",
]  # fmt: skip


class Application(Protocol):
    """The application's own way to its database: `?` for parameters, each call one transaction."""

    def write(self, statement: str, *parameters: Any) -> None:
        """Do it and commit."""

    def read(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Ask."""


@dataclass(frozen=True)
class SqliteApplication:
    """As a monolith with SQLAlchemy writes: UUIDs as 32 hex digits, datetimes with a space."""

    path: str

    def connect(self) -> sqlite3.Connection:
        """A connection in autocommit with foreign keys checked."""
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=5)
        connection.execute("PRAGMA foreign_keys = on")
        return connection

    def write(self, statement: str, *parameters: Any) -> None:
        """Do it and commit."""
        with closing(self.connect()) as connection:
            connection.execute(statement, [_for_sqlite(each) for each in parameters])

    def read(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Ask."""
        with closing(self.connect()) as connection:
            return connection.execute(statement, [_for_sqlite(each) for each in parameters]).fetchall()


def _for_sqlite(value: Any) -> Any:
    match value:
        case uuid.UUID():
            return value.hex
        case datetime():
            return value.isoformat(" ", "microseconds")
        case dict() | list():
            return json.dumps(value)
        case Decimal():
            return float(value)
    return value


@dataclass(frozen=True)
class PostgresApplication:
    """As `role`, which may write the bank's tables and nothing else."""

    url: str

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection in autocommit."""
        return psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True)

    def write(self, statement: str, *parameters: Any) -> None:
        """Do it and commit."""
        with self.connect() as connection:
            connection.execute(_numbered(statement), [_for_postgres(each) for each in parameters] or None)

    def read(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Ask."""
        with self.connect() as connection:
            values = [_for_postgres(each) for each in parameters] or None
            return connection.execute(_numbered(statement), values).fetchall()


def _numbered(statement: str) -> bytes:
    return statement.replace("?", "%s").encode()


def _for_postgres(value: Any) -> Any:
    return Jsonb(value) if isinstance(value, dict | list) else value


@dataclass(frozen=True)
class Bank:
    """One side: our database, the application's connection, and one who may do anything (DDL)."""

    engine: str
    side: Side
    url: str
    database: SideDatabase
    application: Any  # SqliteApplication or PostgresApplication
    administrator: Any

    def session(self, holder: str = "test") -> Session:
        """A session of ours."""
        return self.database.session(holder)

    def install(self, authority: Authority | None = None) -> None:
        """Capture, with the row that this side begins with."""
        with closing(self.session()) as session:
            session.install(BANK, authority or (OPEN if self.side is Side.LEGACY else CLOSED))

    def write(self, statement: str, *parameters: Any) -> None:
        """As the application."""
        self.application.write(statement, *parameters)

    def read(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """As the application."""
        return self.application.read(statement, *parameters)  # type: ignore[no-any-return]

    def alter(self, statement: str) -> None:
        """As the owner of the tables: DDL."""
        self.administrator.write(statement)

    def account(self, number: int, email: str = "", balance: int = 100) -> None:
        """Open an account on legacy's side with its details."""
        opened = (number, email or f"{number}@x", balance)
        self.write("INSERT INTO accounts (id, email, balance) VALUES (?, ?, ?)", *opened)
        self.write("INSERT INTO account_details (account_id, score, vip) VALUES (?, 0.5, TRUE)", number)


@dataclass(frozen=True)
class Banks:
    """Both sides."""

    legacy: Bank
    extracted: Bank

    def on(self, side: Side) -> Bank:
        """The bank of `side`."""
        return self.legacy if side is Side.LEGACY else self.extracted

    def install(self) -> None:
        """Capture on both, legacy open."""
        self.legacy.install()
        self.extracted.install()


def open_banks(engine: str, folder: Path, postgres_database: Callable[[], str] | None = None) -> Banks:
    """Two new databases with the bank's tables, capture not installed."""
    if engine == "sqlite":
        return Banks(*(_sqlite_bank(side, folder / f"{side}.db") for side in Side))
    assert postgres_database is not None
    return Banks(*(_postgres_bank(side, postgres_database()) for side in Side))


def _sqlite_bank(side: Side, path: Path) -> Bank:
    from sync.adapters.sqlite.database import database

    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.executescript(tables("sqlite", side))
    url, application = f"sqlite:///{path}", SqliteApplication(str(path))
    return Bank("sqlite", side, url, database(url, side, {BANK: SPEC}), application, application)


# bank_owner owns the tables and cannot log in; bank_app is the application; bank_sync is ours.
ROLES = """
DO $$ BEGIN
    IF to_regrole('bank_owner') IS NULL THEN
        CREATE ROLE bank_owner NOLOGIN; CREATE ROLE bank_app LOGIN; CREATE ROLE bank_sync LOGIN;
        GRANT bank_owner TO bank_sync;
        GRANT bank_app TO bank_sync;
        GRANT SET ON PARAMETER session_replication_role TO bank_sync;
    END IF;
    EXECUTE format('GRANT CREATE ON DATABASE %I TO bank_sync', current_database());
END $$;
GRANT CREATE, USAGE ON SCHEMA public TO bank_owner;
GRANT USAGE ON SCHEMA public TO bank_app, bank_sync;
SET ROLE bank_owner;
ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON TABLES TO bank_app;
ALTER DEFAULT PRIVILEGES GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO bank_app;
"""


def _postgres_bank(side: Side, url: str) -> Bank:
    from sync.adapters.postgres.database import database

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute((ROLES + tables("postgres", side)).encode())

    def as_role(role: str) -> str:
        return make_url(url).set(username=role).render_as_string(hide_password=False)

    ours = database(as_role("bank_sync"), side, {BANK: SPEC})
    application = PostgresApplication(as_role("bank_app"))
    return Bank("postgres", side, url, ours, application, PostgresApplication(url))


# -- a round by hand: what the relay does, without its care ----------------------------------------


def upserts(source: Bank, entity: Entity, found: Mapping[Key, Rows]) -> list[Change]:
    """What a round makes of the rows read on `source`."""
    translate = entity.translate(source.side)
    return [
        Change(entity.name, translated_key(source, entity, rows), key, translate(rows))
        for key, rows in found.items()
    ]


def deletes(source: Bank, entity: Entity, gone: Iterable[Key]) -> list[Change]:
    """What a round makes of the keys that are gone on `source`."""
    return [Change(entity.name, other_key(source, key), key, None) for key in gone]


def translated_key(source: Bank, entity: Entity, rows: Rows) -> Key:
    """The follower's key of rows of `source`."""
    root = entity.root(source.side.other)
    row = entity.translate(source.side)(rows)[root.name]
    assert row is not None
    return tuple(row[name] for name in root.key)


def other_key(source: Bank, key: Key) -> Key:
    """The follower's key of a key of `source`."""
    turn: Any = service_id if source.side is Side.LEGACY else legacy_id
    return tuple(turn(each) for each in key)


def one_round(source: Bank, target: Bank, epoch: int = 1) -> int:
    """Carry everything that is pending across, and acknowledge it; how many marks it was."""
    with closing(source.session("relay")) as here, closing(target.session("relay")) as there:
        after = there.seen(BANK).acked_seq
        with there.begin_round(BANK, "relay", epoch) as transaction, here.snapshot(BANK) as snapshot:
            marks = snapshot.pending(after, 1000)
            work: list[Change] = []
            ends: list[Change] = []  # children go before their parents
            for entity in SPEC.entities:
                tables = {each.name for each in entity.tables(source.side)}
                keys = {mark.key for mark in marks if mark.table in tables}
                found = snapshot.rows(entity.name, keys)
                work += upserts(source, entity, found)
                ends = deletes(source, entity, keys - found.keys()) + ends
            upto = max((mark.seq for mark in marks), default=after)
            number = transaction.seen.round + 1
            transaction.apply(work + ends, Settled(number, upto, snapshot.nonce(upto)))
            transaction.commit()
        here.acknowledge(BANK, marks, number, upto)
        return len(marks)


def pending(bank: Bank, after_seq: int = 0) -> Sequence[tuple[str, Key, bool]]:
    """What waits on `bank`, without the numbers."""
    with closing(bank.session()) as session, session.snapshot(BANK) as snapshot:
        return [(each.table, each.key, each.deleted) for each in snapshot.pending(after_seq, 10_000)]
