"""Database connections that cannot hang: SQLite files that must exist, PostgreSQL under a deadline.

Each operation opens a connection of its own: a file that was deleted, or a server that was replaced, is
noticed by the next one, and what a stopped server still holds is never waited for twice.
"""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool

BUSY_TIMEOUT = 1.0  # seconds to wait for another process's lock on a SQLite file
DEADLINE = 2.0  # seconds for one operation on PostgreSQL after its connection stands
_SQLITE = "sqlite:///"
_STATEMENT_TIMEOUT = (
    "-c statement_timeout=1500 -c lock_timeout=1000 -c idle_in_transaction_session_timeout=5000"
)


def sqlite_path(text: str) -> Path | None:
    """The file of a SQLite URL, taken literally (SQLAlchemy decodes %); None for another database."""
    return Path(text.removeprefix(_SQLITE)) if text.startswith(_SQLITE) else None


def open_engine(text: str, *, create: bool) -> Engine:
    """An engine for a database URL; without `create` a SQLite file must exist when it is opened."""
    path = sqlite_path(text)
    return _postgresql(make_url(text)) if path is None else _sqlite(path, create=create)


def _sqlite(path: Path, *, create: bool) -> Engine:
    name = f"file:{quote(str(path.absolute()))}?mode={'rwc' if create else 'rw'}"

    def connect() -> sqlite3.Connection:
        # isolation_level None: we say BEGIN ourselves, or Python would begin too late for a consistent read.
        return sqlite3.connect(
            name, uri=True, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later can fail half-way with "locked": writers lock at once.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql(url: URL) -> Engine:
    arguments = {
        "connect_timeout": 2,
        "options": _STATEMENT_TIMEOUT,
        "tcp_user_timeout": 2000,
        "keepalives_idle": 5,
        "application_name": "strangler",
    }
    # What the operator wrote into the URL counts; his options are added to ours.
    own = {name: value for name, value in url.query.items() if name in arguments}
    if "options" in own:
        own["options"] = f"{_STATEMENT_TIMEOUT} {own['options']}"
    bare = url.difference_update_query(own)
    return create_engine(bare, connect_args={**arguments, **own}, poolclass=NullPool)


@contextlib.contextmanager
def transaction(engine: Engine, *, writes: bool) -> Iterator[Connection]:
    """One transaction, committed at the end; it ends with an error rather than late."""
    with (
        engine.connect().execution_options(writes=writes) as connection,
        _deadline(connection),
        connection.begin(),
    ):
        yield connection


@contextlib.contextmanager
def _deadline(connection: Connection) -> Iterator[None]:
    """Cut the line to a PostgreSQL server that says nothing: its own timeouts stop with it (SIGSTOP)."""
    raw: Any = connection.connection.driver_connection
    if not hasattr(raw, "fileno"):
        yield
        return
    timer = threading.Timer(DEADLINE, _cut, (raw.fileno(),))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        line = socket.socket(fileno=descriptor)
        try:
            line.shutdown(socket.SHUT_RDWR)
        finally:
            line.detach()  # libpq closes it
