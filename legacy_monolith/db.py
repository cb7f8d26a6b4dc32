"""The database: one engine and one thread-local session for the whole process."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from flask import g, has_request_context, request
from sqlalchemy import create_engine, event, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import scoped_session, sessionmaker

from .models import Base, Product
from .settings import Settings, SettingsError
from .triggers import install_triggers

# It ends with its request: what it has read and written it need not read again after a commit.
session = scoped_session(sessionmaker(expire_on_commit=False))
engine = None
_timezone = ZoneInfo(Settings.timezone)


def init_db(settings):
    """Bind the global session to `settings.database`; no connection yet. Raises SettingsError."""
    global engine, _timezone
    _timezone = ZoneInfo(settings.timezone)
    try:
        engine = _open(settings.database)
    except (ArgumentError, ImportError) as error:
        raise SettingsError(f"SHOP_DATABASE is no usable database URL: {error}") from error
    session.remove()
    session.configure(bind=engine)
    return engine


def _open(url):
    url = make_url(url)
    if url.get_backend_name() != "sqlite":
        patience = {"connect_timeout": 5}
        return _count_queries(create_engine(url, pool_size=10, pool_pre_ping=True, connect_args=patience))
    if url.database == Settings.database.removeprefix("sqlite:///"):
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    new = create_engine(url, pool_size=10, connect_args={"timeout": 15})
    event.listen(new, "connect", _configure_sqlite)
    event.listen(new, "begin", _begin_sqlite)
    return _count_queries(new)


def _configure_sqlite(connection, _record):
    connection.isolation_level = None  # the driver's own BEGIN comes too late, see _begin_sqlite
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA busy_timeout=15000")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection):
    # A transaction that reads first and writes later fails at once with "database is locked" when somebody
    # else wrote in between, whatever the busy_timeout. Whoever may write takes the lock at the start.
    reads_only = has_request_context() and request.method in ("GET", "HEAD", "OPTIONS")
    reads_only = reads_only or connection.get_execution_options().get("reads_only")
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")


def _count_queries(new):
    @event.listens_for(new, "before_cursor_execute")
    def count(*_):
        if has_request_context():
            g.queries = g.get("queries", 0) + 1

    return new


def engine_name():
    return engine.dialect.name


def create_schema():
    """Create what is missing: tables, then triggers."""
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        _add_what_came_later(connection)
        install_triggers(connection)


def _add_what_came_later(connection):
    if all(column["name"] != "client_reference" for column in inspect(connection).get_columns("orders")):
        connection.exec_driver_sql("ALTER TABLE orders ADD COLUMN client_reference VARCHAR(80)")
        connection.exec_driver_sql("CREATE UNIQUE INDEX orders_by_reference ON orders (client_reference)")


def is_empty():
    """Whether there is no product yet, or not even a table."""
    if not inspect(engine).has_table("products"):
        return True
    with engine.begin() as connection:
        return connection.execute(Product.__table__.select().limit(1)).first() is None


def now():
    """The local time, without saying which."""
    return datetime.now(_timezone).replace(tzinfo=None, microsecond=0)
