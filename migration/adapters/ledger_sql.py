"""The ledger in one SQL database: SQLite, or PostgreSQL for several machines."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from migration.adapters import ledger_slices
from migration.adapters import ledger_tables as tables
from migration.adapters.ledger_audit import append, audit_row
from migration.adapters.ledger_schema import create_tables, lacks_tables
from migration.adapters.sql_engine import open_engine, sqlite_path, transaction
from migration.core.effective import RouteState
from migration.core.ledger_rows import changed, row_values
from migration.core.plan import Side
from migration.core.slice_state import Seat, SlicePhase, SliceState, changed_slice, slice_values
from migration.core.stages import ReadStage, WriteStage
from migration.errors import LedgerError
from migration.ports import AuditEntry, AuditRow


class SqlLedger:
    """A ledger at a SQLAlchemy URL; every operation is one transaction on a connection of its own."""

    def __init__(self, url: str, *, create: bool) -> None:
        """Open it; with `create` what is missing is made, without it that is a LedgerError."""
        try:
            self._path = sqlite_path(url)
            self._name = str(self._path or make_url(url).render_as_string(hide_password=True))
            if create and self._path is not None:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._create(url) if create else self._must_exist()
            # Whatever happens to the file from here on, it is never made anew.
            self._engine = open_engine(url, create=False)
        except (ArgumentError, OSError) as error:
            raise LedgerError(f"the ledger cannot be opened: {error}; check ledger.url") from None
        self._inode = _inode(self._path)
        self._id, _version, schema = self._read_head()
        if schema != tables.SCHEMA_VERSION:
            known = tables.SCHEMA_VERSION
            raise LedgerError(
                f"the ledger {self._name} has schema {schema}, this program knows {known}; use its own"
            )
        self._upgrade()

    def routes(self) -> Mapping[str, RouteState]:
        """Every row by its route's id."""
        with self._transaction() as connection:
            rows = connection.execute(select(tables.ROUTE_STATE)).mappings().all()
        return {row["route"]: _state(dict(row)) for row in rows}

    def ensure(self, route_ids: Iterable[str]) -> None:
        """Add a row at stage legacy for each route that has none."""
        wanted = dict.fromkeys(route_ids)
        with self._transaction() as connection:
            known = set(connection.execute(select(tables.ROUTE_STATE.c.route)).scalars())
        missing = [{"route": route} for route in wanted if route not in known]
        if missing:
            with self._transaction(writes=True) as connection:
                connection.execute(tables.ADD_ROUTE, missing)
                connection.execute(tables.NEXT_VERSION)

    def change(
        self,
        route: str,
        expected_version: int,
        *,
        stage: ReadStage,
        cap_pct: int,
        applied_pct: int,
        mirror_pct: int,
        hold: bool,
        hold_reason: str,
        audit: AuditEntry,
    ) -> RouteState:
        """Set the row if it still has `expected_version`; row and audit in one transaction."""
        with self._transaction(writes=True) as connection:
            # First, because its row lock lets one writer in at a time: what is read next stays true.
            version = connection.execute(tables.NEXT_VERSION).scalar_one()
            before = self._row(connection, route)
            after = changed(
                route,
                before,
                expected_version,
                stage=stage,
                cap_pct=cap_pct,
                applied_pct=applied_pct,
                mirror_pct=mirror_pct,
                hold=hold,
                hold_reason=hold_reason,
                at=audit.at,
            )
            table = tables.ROUTE_STATE
            connection.execute(table.update().where(table.c.route == route).values(row_values(after)))
            append(connection, audit, route, row_values(before), row_values(after), version)
        return after

    def slices(self) -> Mapping[str, SliceState]:
        """The row of every slice by its name."""
        with self._transaction() as connection:
            return ledger_slices.read_slices(connection)

    def ensure_slices(self, names: Iterable[str]) -> None:
        """Add a row at write stage legacy for each slice that has none."""
        known = self.slices()
        missing = [name for name in dict.fromkeys(names) if name not in known]
        if missing:
            with self._transaction(writes=True) as connection:
                ledger_slices.add_slices(connection, missing)
                connection.execute(tables.NEXT_VERSION)

    def change_slice(
        self,
        slice_name: str,
        expected_version: int,
        *,
        write_stage: WriteStage,
        authority: Side,
        epoch: int,
        phase: SlicePhase,
        hold_until: float,
        audit: AuditEntry,
    ) -> SliceState:
        """Set a slice's row if it still has `expected_version`; row and audit in one transaction."""
        with self._transaction(writes=True) as connection:
            version = connection.execute(tables.NEXT_VERSION).scalar_one()  # first, as in `change`
            before = ledger_slices.read_slice(connection, slice_name)
            after = changed_slice(
                slice_name,
                before,
                expected_version,
                write_stage=write_stage,
                authority=authority,
                epoch=epoch,
                phase=phase,
                hold_until=hold_until,
            )
            ledger_slices.write_slice(connection, after)
            append(connection, audit, slice_name, slice_values(before), slice_values(after), version)
        return after

    def take_seat(self, seat: Seat) -> None:
        """Say what a facade has taken of a slice."""
        with self._transaction(writes=True) as connection:
            ledger_slices.write_seat(connection, seat)

    def seats(self, slice_name: str) -> list[Seat]:
        """What the facades have said of a slice."""
        with self._transaction() as connection:
            return ledger_slices.read_seats(connection, slice_name)

    def leave_seats(self, facade: str) -> None:
        """A facade ends."""
        with self._transaction(writes=True) as connection:
            connection.execute(tables.LEAVE_SEATS, {"facade": facade})

    def record(self, audit: AuditEntry, route: str = "") -> None:
        """Write an audit line that changes no row."""
        with self._transaction(writes=True) as connection:
            version = connection.execute(select(tables.LEDGER.c.version)).scalar_one()
            append(connection, audit, route, {}, {}, version)

    def audit(self, limit: int, route: str | None = None) -> list[AuditRow]:
        """The last `limit` lines, newest first."""
        query = select(tables.AUDIT).order_by(tables.AUDIT.c.id.desc()).limit(limit)
        if route is not None:
            query = query.where(tables.AUDIT.c.route == route)
        with self._transaction() as connection:
            rows = connection.execute(query).mappings().all()
        return [audit_row(dict(row)) for row in rows]

    def version(self) -> int:
        """Grows with each change of any row."""
        found, version, _schema = self._read_head()
        if found != self._id:
            raise LedgerError(f"the ledger {self._name} was replaced by another one; restart to use it")
        return version

    def lease(self, name: str, holder: str, ttl: float, now: float) -> bool:
        """Take or renew a lease until `now + ttl`."""
        values = {"name": name, "holder": holder, "expires": now + ttl, "now": now}
        with self._transaction(writes=True) as connection:
            return connection.execute(tables.TAKE_LEASE, values).rowcount == 1

    def release_lease(self, name: str, holder: str) -> None:
        """Give the lease back, if it is this holder's."""
        with self._transaction(writes=True) as connection:
            connection.execute(tables.RELEASE_LEASE, {"name": name, "holder": holder})

    def lease_holder(self, name: str, now: float) -> str | None:
        """Who holds the lease now."""
        table = tables.LEASE
        query = select(table.c.holder).where(table.c.name == name, table.c.expires > now)
        with self._transaction() as connection:
            return connection.execute(query).scalar_one_or_none()

    def close(self) -> None:
        """Let go of connections."""
        self._engine.dispose()

    def _must_exist(self) -> None:
        if self._path is not None and not self._path.exists():
            raise LedgerError(f"there is no ledger {self._path}; strangler up makes one, or restore it")

    def _create(self, url: str) -> None:
        engine = open_engine(url, create=True)
        try:
            with self._mapped(), transaction(engine, writes=True) as connection:
                create_tables(connection)
        finally:
            engine.dispose()

    def _upgrade(self) -> None:
        with self._transaction() as connection:
            older = lacks_tables(connection)
        if older:
            with self._transaction(writes=True) as connection:
                create_tables(connection)

    def _read_head(self) -> tuple[str, int, int]:
        with self._transaction() as connection:
            row = connection.execute(select(tables.LEDGER)).one()
        return row.id, row.version, row.schema_version

    @staticmethod
    def _row(connection: Connection, route: str) -> RouteState | None:
        query = select(tables.ROUTE_STATE).where(tables.ROUTE_STATE.c.route == route)
        row = connection.execute(query).mappings().one_or_none()
        return None if row is None else _state(dict(row))

    @contextlib.contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[Connection]:
        with self._mapped(), transaction(self._engine, writes=writes) as connection:
            self._check_file()
            yield connection
        # A commit into a file that was deleted meanwhile went nowhere.
        self._check_file()

    def _check_file(self) -> None:
        if _inode(self._path) != self._inode:
            raise LedgerError(
                f"the ledger {self._path} was deleted or replaced while in use; restore it and restart"
            )

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            reason = " ".join(str(getattr(error, "orig", None) or error).split())
            raise LedgerError(
                f"the ledger {self._name} does not work: {reason[:300]}; {_cure(reason)}"
            ) from None


def _state(row: dict[str, Any]) -> RouteState:
    try:
        return RouteState(**{**row, "stage": ReadStage(row["stage"]), "hold": bool(row["hold"])})
    except ValueError as error:
        raise LedgerError(f"the ledger holds a row that contradicts itself: {error}; restore it") from None


def _inode(path: Path | None) -> tuple[int, int] | None:
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _cure(reason: str) -> str:
    if "locked" in reason:
        return "another process holds it: find it, or try again"
    if "no such table" in reason or "does not exist" in reason:
        return "it has no tables: strangler up makes them"
    if "disk is full" in reason or "No space" in reason:
        return "free some space on its disk"
    if "readonly" in reason or "read-only" in reason:
        return "make the file and its directory writable"
    return "check ledger.url and that the database is up"
