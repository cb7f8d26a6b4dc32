"""The one-off import: the monolith's catalog into the catalog's own database, in chunks, repeatable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from extracted.catalog import legacy_tables, mapping
from extracted.catalog.database import errors_of
from extracted.catalog.schema import categories, imports, products

Progress = Callable[[int, int], None]  # products done, products in all

CHUNK = 500  # 15 columns each: below SQLite's limit of 32,766 values in a statement


@dataclass(frozen=True, slots=True)
class Imported:
    """What one import did."""

    products: int
    categories: int
    removed: int
    seconds: float


def run_import(source: sa.Engine, target: sa.Engine, source_tz: tzinfo, progress: Progress) -> Imported:
    """Make the catalog's rows equal to the monolith's, seen at one moment; each chunk is one transaction.

    Repeating it changes nothing; stopped half-way, it is simply run again. Raises mapping.Unmappable
    and DatabaseAway.
    """
    started = datetime.now(UTC)
    with errors_of(source), snapshot(source) as legacy:
        total = legacy.execute(legacy_tables.count_products).scalar_one()
        kept_categories = [
            mapping.category(row) for row in legacy.execute(legacy_tables.all_categories).mappings()
        ]
        put(target, categories, kept_categories)
        kept: set[int] = set()
        for rows in chunks(legacy, CHUNK):
            put(target, products, [mapping.product(row, source_tz) for row in rows])
            kept.update(row["id"] for row in rows)
            progress(len(kept), total)
    removed = remove_others(target, products, kept)
    removed += remove_others(target, categories, {row["legacy_id"] for row in kept_categories})
    return record(target, started, Imported(len(kept), len(kept_categories), removed, 0.0))


def snapshot(source: sa.Engine) -> sa.Connection:
    """A connection that sees the monolith's data as they are now, however long it reads."""
    if source.dialect.name == "sqlite":
        connection = source.connect()
        connection.exec_driver_sql("BEGIN")  # the driver would begin at the first write only
        return connection
    return source.connect().execution_options(isolation_level="REPEATABLE READ")


def chunks(legacy: sa.Connection, size: int) -> Iterator[Sequence[sa.RowMapping]]:
    """All products by id, `size` at a time."""
    after = 0
    while (
        rows := legacy.execute(legacy_tables.next_products, {"after": after, "chunk": size}).mappings().all()
    ):
        yield rows
        after = rows[-1]["id"]


def put(target: sa.Engine, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    """Insert the rows, or bring those that are there up to date."""
    if not rows:
        return
    insert = sqlite.insert if target.dialect.name == "sqlite" else postgresql.insert
    statement = insert(table)
    fresh = {column.name: statement.excluded[column.name] for column in table.columns if column.name != "id"}
    with errors_of(target), target.begin() as connection:
        connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=fresh), rows)


def remove_others(target: sa.Engine, table: sa.Table, kept: set[int]) -> int:
    """Delete the rows that the monolith no longer has; how many they were."""
    with errors_of(target), target.begin() as connection:
        gone = sorted(set(connection.execute(sa.select(table.c.legacy_id)).scalars()) - kept)
        for start in range(0, len(gone), CHUNK):
            connection.execute(table.delete().where(table.c.legacy_id.in_(gone[start : start + CHUNK])))
    return len(gone)


def record(target: sa.Engine, started: datetime, done: Imported) -> Imported:
    """Leave a row that says when and how much; the result with its duration."""
    finished = datetime.now(UTC)
    counted = {"products": done.products, "categories": done.categories, "removed": done.removed}
    with errors_of(target), target.begin() as connection:
        connection.execute(imports.insert(), counted | {"started_at": started, "finished_at": finished})
    return Imported(done.products, done.categories, done.removed, (finished - started).total_seconds())
