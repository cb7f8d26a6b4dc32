"""The evidence in one SQL database: SQLite, or PostgreSQL when the desk is on another machine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, Table, bindparam, delete, func, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from migration.adapters.sql_engine import open_engine, sqlite_path, transaction
from shadow.adapters import evidence_rows as rows
from shadow.adapters import evidence_tables as tables
from shadow.core.rows import SMALLEST, Batch, CountRow, RouteRows, Snapshot, current_count
from shadow.errors import EvidenceError, EvidenceTakenOver

Row = TypeVar("Row")
_WRITER = "writer"
# Read at start, newest first; older ones have no open sessions any more.
_MOST_COUNTS = 2000
_MOST_FINDINGS = 10_000


class SqlEvidence:
    """Evidence at a SQLAlchemy URL; every operation is one transaction on a connection of its own."""

    def __init__(self, url: str) -> None:
        """Name the database; nothing is opened or created yet."""
        try:
            parsed = make_url(url)
            self._name = parsed.render_as_string(hide_password=True)
            self._path = sqlite_path(url)
            self._url = url
            self._engine = open_engine(url, create=False)
        except (ArgumentError, OSError, ModuleNotFoundError) as error:
            raise EvidenceError(f"the evidence store cannot be used: {error}; check evidence.url") from None

    def take_over(self, writer: str) -> Snapshot:
        """Make this the one process that may write, creating what is missing; returns what is stored."""
        self._create()
        with self._transaction(writes=True) as connection:
            self._put(connection, tables.META, [{"name": _WRITER, "value": writer}])
            return _snapshot(connection)

    def write(self, batch: Batch, writer: str) -> None:
        """Write all of it or nothing; EvidenceTakenOver when another process writes now."""
        with self._transaction(writes=True) as connection:
            _must_be_writer(connection, writer)
            for place in batch.closed:
                connection.execute(_DELETE_SESSION, dict(zip(("a_count", "a_key"), place, strict=True)))
            self._put(connection, tables.COUNTS, [rows.count_columns(row) for row in batch.counts])
            self._put(connection, tables.FINDINGS, [rows.finding_columns(row) for row in batch.findings])
            self._put(connection, tables.SAMPLES, [rows.sample_columns(row) for row in batch.samples])
            self._put(connection, tables.OPEN_SESSIONS, [rows.session_columns(row) for row in batch.sessions])
            self._put(connection, tables.NOT_COMPARED, [rows.counter_columns(row) for row in batch.counters])
            meta = [{"name": name, "value": value} for name, value in batch.meta.items()]
            self._put(connection, tables.META, meta)

    def route_rows(self, route: str, rules_hash: str, *, samples: bool) -> RouteRows:
        """What is stored of a route; empty where nothing was ever stored."""
        if self._path is not None and not self._path.exists():
            return RouteRows()
        with self._transaction(writes=False) as connection:
            if not inspect(connection).has_table(tables.META.name):
                return RouteRows()
            return _route_rows(connection, route, rules_hash, samples)

    def close(self) -> None:
        """Let go of connections."""
        self._engine.dispose()

    def _create(self) -> None:
        try:
            if self._path is not None:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            engine = open_engine(self._url, create=True)
        except OSError as error:
            raise self._error(error) from None
        try:
            with self._mapped(), transaction(engine, writes=True) as connection:
                tables.METADATA.create_all(connection)
            if self._path is not None:
                Path(self._path).chmod(0o600)
        except OSError as error:
            raise self._error(error) from None
        finally:
            engine.dispose()

    def _put(self, connection: Connection, table: Table, values: list[dict[str, Any]]) -> None:
        if values:
            connection.execute(tables.upsert(table, connection.dialect.name), values)

    @contextlib.contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        with self._mapped(), transaction(self._engine, writes=writes) as connection:
            yield connection

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise self._error(error) from None

    def _error(self, error: Exception) -> EvidenceError:
        why = str(getattr(error, "orig", None) or error).strip().splitlines()
        return EvidenceError(
            f"the evidence store {self._name} failed: {why[0] if why else type(error).__name__}"
        )


_DELETE_SESSION = delete(tables.OPEN_SESSIONS).where(
    tables.OPEN_SESSIONS.c.count_id == bindparam("a_count"), tables.OPEN_SESSIONS.c.key == bindparam("a_key")
)


def _must_be_writer(connection: Connection, writer: str) -> None:
    # FOR UPDATE (PostgreSQL): a process that is being replaced waits here, and then sees it.
    query = select(tables.META.c.value).where(tables.META.c.name == _WRITER).with_for_update()
    found = connection.execute(query).scalar_one_or_none()
    if found != writer:
        raise EvidenceTakenOver("another shadow process writes this evidence now; stop one of the two")


def _all(
    connection: Connection, query: Select[Any], make: Callable[[Mapping[str, Any]], Row]
) -> tuple[Row, ...]:
    return tuple(make(dict(found)) for found in connection.execute(query).mappings())


def _snapshot(connection: Connection) -> Snapshot:
    newest = select(tables.COUNTS).order_by(tables.COUNTS.c.last.desc()).limit(_MOST_COUNTS)
    counts = _all(connection, newest, rows.count_row)
    sizes = select(tables.SAMPLES).where(tables.SAMPLES.c.slot == SMALLEST)
    samples = _all(connection, sizes, rows.sample_row)
    of_late = select(tables.FINDINGS).order_by(tables.FINDINGS.c.last.desc()).limit(_MOST_FINDINGS)
    return Snapshot(
        counts=counts,
        findings=_all(connection, of_late, rows.finding_row),
        sample_slots=tuple(
            (row.count_id, row.finding_id, row.slot, int(row.payload.get("size", 0))) for row in samples
        ),
        sessions=_all(connection, select(tables.OPEN_SESSIONS), rows.session_row),
        counters=_all(connection, select(tables.NOT_COMPARED), rows.counter_row),
        meta={row.name: row.value for row in connection.execute(select(tables.META))},
    )


def _route_rows(connection: Connection, route: str, rules_hash: str, samples: bool) -> RouteRows:
    newest = select(tables.COUNTS).where(tables.COUNTS.c.route == route).order_by(tables.COUNTS.c.last.desc())
    counts = _all(connection, newest, rows.count_row)
    current = current_count(counts, rules_hash)
    counters = select(tables.NOT_COMPARED).where(tables.NOT_COMPARED.c.route == route)
    meta = {row.name: row.value for row in connection.execute(select(tables.META))}
    whole = RouteRows(counts, current, counters=_all(connection, counters, rows.counter_row), meta=meta)
    return whole if current is None else _with_findings(connection, whole, current, samples)


def _with_findings(connection: Connection, whole: RouteRows, current: CountRow, samples: bool) -> RouteRows:
    findings, stored, sessions = tables.FINDINGS, tables.SAMPLES, tables.OPEN_SESSIONS
    of_samples = select(stored).where(stored.c.count_id == current.key.id).order_by(stored.c.slot)
    of_sessions = select(func.count()).select_from(sessions).where(sessions.c.count_id == current.key.id)
    return replace(
        whole,
        findings=_all(
            connection, select(findings).where(findings.c.count_id == current.key.id), rows.finding_row
        ),
        samples=_all(connection, of_samples, rows.sample_row) if samples else (),
        open_sessions=int(connection.execute(of_sessions).scalar_one()),
    )
