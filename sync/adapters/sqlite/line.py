"""One connection to one file: opened only if the file is there, every wait bounded, errors as ours."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

from sync.core.values import Unreadable
from sync.errors import Busy, DatabaseAway, NotCaptured, PlanMismatch, SyncError

PATIENCE = 5.0  # seconds for another's lock: longer than any commit, shorter than a supervisor's
POLL = 0.002  # seconds between two tries to begin: SQLite's own handler sleeps up to 100 ms, which starves us
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_SCHEMA}
_CURES = {
    sqlite3.SQLITE_CANTOPEN: "see that the file is there and may be read and written",
    sqlite3.SQLITE_READONLY: "it may not be written: give the process the right to write file and folder",
    sqlite3.SQLITE_FULL: "the disk is full: make room",
    sqlite3.SQLITE_NOTADB: "the file is no SQLite database: see that the URL names the right one",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: restore it from a backup, then accept the restored side",
    sqlite3.SQLITE_IOERR: "see the disk and the rights of the folder",
}


def _text(stored: bytes) -> str | Unreadable:
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return Unreadable(stored.decode("utf-8", "surrogateescape"), "text that is not UTF-8")


class Errors:
    """A context: what the driver raises inside comes out as ours."""

    def __init__(self, where: str) -> None:
        """`where` names the database in messages."""
        self._where = where

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise ours instead of the driver's."""
        if isinstance(error, sqlite3.Error):
            raise self.ours(error) from error

    def ours(self, error: sqlite3.Error) -> SyncError:
        """The error of `sync.errors` that says the same."""
        code = getattr(error, "sqlite_errorcode", None)
        plain = None if code is None else code & 0xFF
        if plain in _LOCKED:
            return Busy(f"{self._where}: {error}: another process writes; try again")
        if plain == sqlite3.SQLITE_ERROR and "no such table: " in str(error):
            name = str(error).split("no such table: ")[1].removeprefix("main.")
            if name.startswith("sf_"):
                return NotCaptured(
                    f"{self._where}: capture is not installed here: `strangler capture install`"
                )
        if plain == sqlite3.SQLITE_ERROR:
            return PlanMismatch(f"{self._where}: {error}: see that plan and database fit")
        cure = _CURES.get(plain or -1, "look at the file and try again")
        return DatabaseAway(f"{self._where}: {error}: {cure}")


class Line:
    """One connection: reads, read transactions and write transactions. Belongs to one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open the file `path`; DatabaseAway when it is not there, or no database."""
        self.path = path
        self.errors = Errors(f"sqlite:///{path}")
        self._inode = self._file()
        with self.errors:
            name = f"file:{quote(str(path.absolute()))}?mode=rw"
            # isolation_level None: we say BEGIN ourselves. Python would begin too late for a consistent read.
            self.raw = sqlite3.connect(
                name,
                uri=True,
                timeout=PATIENCE,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
            )
        try:
            # FULL: what is acknowledged to the other side may not be lost with the power. Foreign keys are
            # checked by us, who name the key that is to blame; what a cascade does comes as marks.
            for pragma in ("synchronous = FULL", "foreign_keys = OFF", "recursive_triggers = OFF"):
                self.run(f"PRAGMA {pragma}")
            self.run("SELECT count(*) FROM sqlite_master")
        except SyncError:
            self.raw.close()
            raise

    def _file(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except OSError as error:
            raise DatabaseAway(
                f"sqlite:///{self.path}: there is no such file ({error.strerror}): see that the URL names "
                "the right one; it is never created from here"
            ) from error
        return found.st_dev, found.st_ino

    def check_file(self) -> None:
        """See that the path still names the open file: a restored copy may have taken its place."""
        if self._file() != self._inode:
            raise DatabaseAway(f"sqlite:///{self.path}: another file has taken its place: connect again")

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Execute one statement and give its rows; text that is no UTF-8 comes as `Unreadable`."""
        with self.errors:
            try:
                return self.raw.execute(sql, parameters).fetchall()
            except sqlite3.OperationalError as error:
                if not str(error).startswith("Could not decode to UTF-8"):
                    raise
            # Once more, in the same transaction: a function for each text would slow down every other read.
            self.raw.text_factory = _text
            try:
                return self.raw.execute(sql, parameters).fetchall()
            finally:
                self.raw.text_factory = str

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """The first row, or None."""
        with self.errors:
            return self.raw.execute(sql, parameters).fetchone()

    def many(self, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        """Execute one statement for each tuple of parameters."""
        if parameters:
            with self.errors:
                self.raw.executemany(sql, parameters)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """One moment: everything read inside is of it. It begins with the first read."""
        self.run("BEGIN")
        try:
            yield
        finally:
            self.roll_back()

    @contextlib.contextmanager
    def writing(self, patience: float = PATIENCE) -> Iterator[None]:
        """One write transaction, committed at the end."""
        self.begin(patience)
        try:
            yield
            self.run("COMMIT")
        finally:
            self.roll_back()

    def begin(self, patience: float = PATIENCE) -> None:
        """Take the file's write lock; Busy when it could not be had within `patience` seconds."""
        self.check_file()
        until = time.monotonic() + patience
        self.run("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    return self._begin()
                except Busy:
                    if time.monotonic() >= until:
                        raise
                    time.sleep(POLL)
        finally:
            self.run(f"PRAGMA busy_timeout = {int(PATIENCE * 1000)}")

    def _begin(self) -> None:
        self.run("BEGIN IMMEDIATE")

    def roll_back(self) -> None:
        """End what is left of a transaction."""
        if self.raw.in_transaction:
            with contextlib.suppress(SyncError):
                self.run("ROLLBACK")

    def close(self) -> None:
        """Let go of the file."""
        self.roll_back()
        self.raw.close()
