"""One PostgreSQL database as a side of slices: makes sessions, ends those of a holder that has stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from sqlalchemy import make_url

from sync.adapters.postgres.coding import teach
from sync.adapters.postgres.link import PATIENCE, SETTINGS, Link
from sync.adapters.postgres.names import holder_name
from sync.adapters.postgres.refusals import why_not
from sync.adapters.postgres.session import PostgresSession
from sync.core.values import Side, SliceSpec
from sync.errors import DatabaseAway, Refused
from sync.ports import SideDatabase

_CONNECT_WITHIN = 5  # seconds; libpq's own limit is the kernel's, two minutes
_TERMINATE = """SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND usename = session_user AND pid <> pg_backend_pid()
    AND starts_with(application_name, %s) AND application_name <> %s
    AND starts_with(state, 'idle in transaction')
    AND clock_timestamp() - state_change > make_interval(secs => %s)"""
# The peer may be gone without a word: find out in seconds, not in the kernel's two hours.
_ALIVE: dict[str, Any] = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


# A password may be there as well; `user:password@` is hidden by SQLAlchemy.
_SECRETS = ("password", "sslpassword", "passfile")


class PostgresDatabase:
    """One side's database."""

    engine = "postgresql"
    patience = PATIENCE

    def __init__(self, url: str, side: Side, specs: Mapping[str, SliceSpec]) -> None:
        """`url` as SQLAlchemy writes it; nothing is connected yet."""
        self.side = side
        self._url = make_url(url)
        self._specs = specs

    def session(self, holder: str = "strangler") -> PostgresSession:
        """A connection of its own."""
        link = self._connect(holder)
        try:
            search_path = str(link.one("SHOW search_path"))
            link.run(SETTINGS)
        except BaseException:
            link.close()
            raise
        return PostgresSession(link, self.side, self._specs, holder, search_path)

    def _connect(self, holder: str) -> Link:
        name = holder_name("", holder).replace("::", ":", 1)
        conninfo = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        try:
            connection = psycopg.connect(
                conninfo,
                autocommit=True,
                application_name=name,
                client_encoding="utf8",
                connect_timeout=_CONNECT_WITHIN,
                **_ALIVE,
            )
        except psycopg.Error as error:
            raise DatabaseAway(f"{self.describe()}: {why_not(str(error))}") from error
        if connection.info.server_version < 140000:
            connection.close()
            raise Refused(f"{self.describe()}: PostgreSQL 14 or newer is needed")
        teach(connection)
        return Link(connection, self.describe(), self.patience)

    def terminate(self, slice_name: str, except_holder: str, older_than: float) -> int:
        """End other holders' sessions that sit in a transaction of this slice."""
        link = self._connect("terminate")
        try:
            prefix, own = holder_name(slice_name, ""), holder_name(slice_name, except_holder)
            return int(link.one(_TERMINATE, (prefix, own, older_than)))
        finally:
            link.close()

    def describe(self) -> str:
        """Which database, without the password."""
        plain = self._url.set(drivername="postgresql").difference_update_query(_SECRETS)
        return plain.render_as_string(hide_password=True)


def database(url: str, side: Side, specs: Mapping[str, SliceSpec]) -> SideDatabase:
    """The database at `url`."""
    return PostgresDatabase(url, side, specs)
