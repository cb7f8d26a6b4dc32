"""One table of a test's own as a whole slice on SQLite, so that odd tables can be tried."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sync.adapters.sqlite.database import SqliteDatabase, database
from sync.adapters.sqlite.session import SqliteSession
from sync.core.records import Settled
from sync.core.values import Authority, Change, Entity, Key, Phase, Row, Side, SliceSpec, TableSpec

SLICE = "odd"
OPEN, CLOSED = Authority(1, Phase.OPEN), Authority(0, Phase.CLOSED)


@dataclass
class Odd:
    """A file whose tables are those of `sql`; the slice maps `tables` (name: key), one entity each."""

    folder: Path
    sql: str
    tables: dict[str, tuple[str, ...]]
    authority: Authority = OPEN
    side: Side = Side.LEGACY
    wal: bool = True
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    install: bool = True
    accepted: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.path = self.folder / f"odd-{self.side}.db"
        with closing(self.connect()) as connection:
            if self.wal:
                connection.execute("PRAGMA journal_mode = wal")
            connection.executescript(self.sql)
        self.spec = SliceSpec(SLICE, tuple(self._entity(name) for name in self.tables), self.accepted)
        self.database: SqliteDatabase = database(f"sqlite:///{self.path}", self.side, {SLICE: self.spec})
        if self.install:
            with closing(self.session()) as session:
                session.install(SLICE, self.authority)

    def _entity(self, name: str) -> Entity:
        with closing(self.connect()) as connection:
            found = connection.execute("SELECT name FROM pragma_table_xinfo(?)", (name,)).fetchall()
        columns = self.columns.get(name, tuple(each for (each,) in found))
        table = (TableSpec(name, self.tables[name], columns),)
        return Entity(name, table, table, dict, dict)

    def connect(self, timeout: float = 5) -> sqlite3.Connection:
        """As an application, foreign keys checked."""
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=timeout)
        connection.execute("PRAGMA foreign_keys = on")
        return connection

    def session(self) -> SqliteSession:
        """One of ours."""
        return self.database.session("test")

    def write(self, *statements: str) -> None:
        """As an application, each on its own."""
        with closing(self.connect()) as connection:
            for statement in statements:
                connection.execute(statement)

    def read(self, statement: str) -> list[tuple[Any, ...]]:
        """As an application."""
        with closing(self.connect()) as connection:
            return connection.execute(statement).fetchall()

    def marks(self, after: int = 0) -> list[tuple[str, Key, bool]]:
        """What is pending."""
        with closing(self.session()) as session, session.snapshot(SLICE) as snapshot:
            return [(each.table, each.key, each.deleted) for each in snapshot.pending(after, 100_000)]

    def apply(self, *changes: tuple[str, Key, Row | None], epoch: int = 1) -> None:
        """A round with these rows, by the entity's name."""
        made = [Change(name, key, key, None if row is None else {name: row}) for name, key, row in changes]
        with closing(self.session()) as session, session.begin_round(SLICE, "test", epoch) as transaction:
            transaction.apply(made, Settled(transaction.seen.round + 1, 0))
            transaction.commit()
