"""The ledger's tables and named statements, for SQLite and PostgreSQL alike."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

METADATA = MetaData()

LEDGER = Table(
    "ledger",
    METADATA,
    Column("id", String(32), primary_key=True),  # tells a ledger from one that was put in its place
    Column("schema_version", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
)

ROUTE_STATE = Table(
    "route_state",
    METADATA,
    Column("route", String(200), primary_key=True),
    Column("stage", String(20), nullable=False),
    Column("cap_pct", Integer, nullable=False),
    Column("applied_pct", Integer, nullable=False),
    Column("mirror_pct", Integer, nullable=False),
    Column("hold", Boolean, nullable=False),
    Column("hold_reason", Text, nullable=False),
    Column("since", Double, nullable=False),
    Column("version", Integer, nullable=False),
)

SLICE_STATE = Table(
    "slice_state",
    METADATA,
    Column("slice", String(100), primary_key=True),
    Column("partition", String(100), primary_key=True),
    Column("write_stage", String(20), nullable=False),
    Column("authority", String(20), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("phase", String(20), nullable=False),
    Column("hold_until", Double, nullable=False),
    Column("version", Integer, nullable=False),
)

SEAT = Table(
    "seat",
    METADATA,
    Column("facade", String(200), primary_key=True),
    Column("slice", String(100), primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("phase", String(20), nullable=False),
    Column("in_flight", Integer, nullable=False),
    Column("at", Double, nullable=False),
    Column("version", Integer, nullable=False),
)

# Younger than the first ledgers: an older one gets them when it is opened, and its programs do not mind.
LATER = (SLICE_STATE, SEAT)

AUDIT = Table(
    "audit",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("route", String(200), nullable=False, index=True),
    Column("why", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("override", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

LEASE = Table(
    "lease",
    METADATA,
    Column("name", String(200), primary_key=True),
    Column("holder", Text, nullable=False),
    Column("expires", Double, nullable=False),
)

SCHEMA_VERSION = 1

# Two processes that start together must not create the tables both: an arbitrary key of our own.
LOCK_SCHEMA_POSTGRESQL = text("SELECT pg_advisory_xact_lock(7216545021)")

# The audit grows and nothing else, whoever holds the connection: the database itself refuses the rest.
APPEND_ONLY_SQLITE = (
    """CREATE TRIGGER IF NOT EXISTS audit_no_update BEFORE UPDATE ON audit
       BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END""",
    """CREATE TRIGGER IF NOT EXISTS audit_no_delete BEFORE DELETE ON audit
       BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END""",
    # INSERT OR REPLACE deletes without asking the trigger above.
    """CREATE TRIGGER IF NOT EXISTS audit_no_replace BEFORE INSERT ON audit
       WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
       BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END""",
)
APPEND_ONLY_POSTGRESQL = (
    """CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$""",
    """CREATE OR REPLACE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
       FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()""",
)

# Adds the row of a route that has none.
ADD_ROUTE = text(
    """INSERT INTO route_state
           (route, stage, cap_pct, applied_pct, mirror_pct, hold, hold_reason, since, version)
       VALUES (:route, 'legacy', 0, 0, 0, false, '', 0, 0) ON CONFLICT (route) DO NOTHING"""
)
# Adds the row of a slice that has none.
ADD_SLICE = text(
    """INSERT INTO slice_state
           (slice, partition, write_stage, authority, epoch, phase, hold_until, version)
       VALUES (:slice, '', 'legacy', 'legacy', 1, 'steady', 0, 0) ON CONFLICT (slice, partition) DO NOTHING"""
)
# Says what a facade has taken of a slice.
TAKE_SEAT = text(
    """INSERT INTO seat (facade, slice, epoch, phase, in_flight, at, version)
       VALUES (:facade, :slice, :epoch, :phase, :in_flight, :at, :version)
       ON CONFLICT (facade, slice) DO UPDATE SET epoch = excluded.epoch, phase = excluded.phase,
           in_flight = excluded.in_flight, at = excluded.at, version = excluded.version"""
)
# Takes away the seats of facades that were killed.
SWEEP_SEATS = text("DELETE FROM seat WHERE at < :before")
# Takes away the seats of a facade that ends.
LEAVE_SEATS = text("DELETE FROM seat WHERE facade = :facade")
# One more change; the row lock it takes lets one writer in at a time.
NEXT_VERSION = text("UPDATE ledger SET version = version + 1 RETURNING version")
# Takes a lease that is free, ours, or over.
TAKE_LEASE = text(
    "INSERT INTO lease (name, holder, expires) VALUES (:name, :holder, :expires) "
    "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires = excluded.expires "
    "WHERE lease.holder = excluded.holder OR lease.expires <= :now"
)
# Gives a lease back.
RELEASE_LEASE = text("DELETE FROM lease WHERE name = :name AND holder = :holder")
