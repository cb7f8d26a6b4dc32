"""The evidence store's tables and its few statements. Times are epoch seconds, details JSON texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Double, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects import postgresql, sqlite

METADATA = MetaData()

COUNTS = Table(
    "counts",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("route", Text, nullable=False, index=True),
    Column("build_old", Text, nullable=False),
    Column("build_new", Text, nullable=False),
    Column("rules_hash", String(12), nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("k", BigInteger, nullable=False),
    Column("first", Double, nullable=False),
    Column("last", Double, nullable=False),
    Column("last_trial", Double),
    Column("detail", Text, nullable=False),
)

OPEN_SESSIONS = Table(
    "open_sessions",
    METADATA,
    Column("count_id", String(16), primary_key=True),
    Column("key", String(16), primary_key=True),
    Column("first", Double, nullable=False),
    Column("last", Double, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("outcome", String(12), nullable=False),
    Column("findings", Text, nullable=False),
)

FINDINGS = Table(
    "findings",
    METADATA,
    Column("count_id", String(16), primary_key=True),
    Column("id", String(12), primary_key=True),
    Column("route", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("impact", String(16), nullable=False),
    Column("types", Text, nullable=False),
    Column("exchanges", BigInteger, nullable=False),
    Column("trials", BigInteger, nullable=False),
    Column("first", Double, nullable=False),
    Column("last", Double, nullable=False),
    Column("detail", Text, nullable=False),
)

SAMPLES = Table(
    "samples",
    METADATA,
    Column("count_id", String(16), primary_key=True),
    Column("finding_id", String(12), primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    Column("payload", Text, nullable=False),
)

NOT_COMPARED = Table(
    "not_compared",
    METADATA,
    Column("instance", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("reason", Text, primary_key=True),
    Column("n", BigInteger, nullable=False),
)

META = Table(
    "evidence_meta",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)


def upsert(table: Table, dialect: str) -> Any:
    """Insert a row, or replace all of the one with its primary key."""
    insert: Any = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    keys: Sequence[str] = [column.name for column in table.primary_key]
    rest = {column.name: insert.excluded[column.name] for column in table.columns if column.name not in keys}
    return insert.on_conflict_do_update(index_elements=keys, set_=rest)
