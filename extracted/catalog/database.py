"""Engines, and drivers' errors as ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from extracted.catalog.errors import DatabaseAway
from extracted.catalog.schema import metadata

CONNECT_TIMEOUT = 5  # seconds: a database that is away is told before the caller's patience ends


def open_existing(url: str, threads: int = 1) -> sa.Engine:
    """An engine for a database that is there, with a connection for each thread. Raises DatabaseAway."""
    where = _parsed(url)
    if _is_file(where) and not Path(where.database or "").is_file():
        raise DatabaseAway(f"there is no database file {where.database}")
    return _engine(where, threads)


def open_or_create(url: str) -> sa.Engine:
    """An engine for the catalog's database, with its tables created where they are missing."""
    where = _parsed(url)
    if _is_file(where):
        Path(where.database or "").parent.mkdir(parents=True, exist_ok=True)
    engine = _engine(where, threads=2)
    with errors_of(engine):
        if _is_file(where):
            # Write-ahead log: an import that runs beside the service does not lock its readers out.
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        metadata.create_all(engine)
    return engine


@contextmanager
def errors_of(engine: sa.Engine) -> Iterator[None]:
    """Turn what the driver raises inside into DatabaseAway: one line, without the password."""
    try:
        yield
    except SQLAlchemyError as error:
        lines = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
        raise DatabaseAway(f"{engine.url.render_as_string()}: {lines[0]}") from error


def _parsed(url: str) -> URL:
    try:
        where = make_url(url)
        # The bare name means psycopg2 to SQLAlchemy; psycopg 3 is what is installed.
        where = where.set(drivername="postgresql+psycopg") if where.drivername == "postgresql" else where
        where.get_dialect().import_dbapi()
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
        raise DatabaseAway(
            f"not a database URL that can be used: {error}; for example sqlite:///catalog.db"
        ) from error
    return where


def _is_file(url: URL) -> bool:
    return url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")


def _engine(url: URL, threads: int) -> sa.Engine:
    if url.get_backend_name() == "sqlite":
        return sa.create_engine(url)
    return sa.create_engine(
        url,
        pool_size=threads,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT,
        pool_pre_ping=True,  # a restarted database costs nobody an error
        connect_args={"connect_timeout": CONNECT_TIMEOUT},
    )
