"""`sync.ports.SideDatabase` on a SQLite file that exists."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from sync.adapters.sqlite.session import SqliteSession
from sync.core.values import Side, SliceSpec
from sync.errors import DatabaseAway


class SqliteDatabase:
    """One side's file."""

    engine = "sqlite"

    def __init__(self, path: Path, side: Side, specs: Mapping[str, SliceSpec]) -> None:
        """Nothing is opened before `session`."""
        self.path = path
        self.side = side
        self.specs = specs

    def session(self, holder: str = "strangler") -> SqliteSession:
        """A connection of its own; DatabaseAway when the file is not there."""
        return SqliteSession(self.path, self.side, self.specs, holder)

    def terminate(self, slice_name: str, except_holder: str, older_than: float) -> int:
        """None: a stopped process holds no lock of ours, because a round locks only while it writes."""
        return 0

    def describe(self) -> str:
        """The URL."""
        return f"sqlite:///{self.path}"


def database(url: str, side: Side, specs: Mapping[str, SliceSpec]) -> SqliteDatabase:
    """The database of a SQLAlchemy URL such as `sqlite:////var/lib/shop/shop.db`; DatabaseAway."""
    try:
        where = make_url(url)
    except ArgumentError as error:
        raise DatabaseAway(
            f"{url}: not a database URL: {error}; for example sqlite:////srv/shop.db"
        ) from error
    name = where.database or ""
    if where.get_backend_name() != "sqlite" or name in ("", ":memory:") or name.startswith("file:"):
        raise DatabaseAway(
            f"{where.render_as_string()}: not the URL of a SQLite file, which two processes can share; "
            "for example sqlite:////srv/shop.db"
        )
    return SqliteDatabase(Path(name), side, specs)
