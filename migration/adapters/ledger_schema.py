"""Makes a ledger's tables, and those that an older ledger lacks."""

from __future__ import annotations

import uuid

from sqlalchemy import Connection, inspect, select

from migration.adapters import ledger_tables as tables


def create_tables(connection: Connection) -> None:
    """Make what is missing; of several processes at once, one makes it and the others find it."""
    postgresql = connection.dialect.name == "postgresql"
    if postgresql:
        connection.execute(tables.LOCK_SCHEMA_POSTGRESQL)
    fresh = not inspect(connection).has_table("ledger")
    if not fresh and connection.execute(select(tables.LEDGER.c.id)).first() is not None:
        tables.METADATA.create_all(connection, tables=tables.LATER)
        return
    tables.METADATA.create_all(connection)
    for statement in tables.APPEND_ONLY_POSTGRESQL if postgresql else tables.APPEND_ONLY_SQLITE:
        connection.exec_driver_sql(statement)
    head = {"id": uuid.uuid4().hex, "schema_version": tables.SCHEMA_VERSION, "version": 0}
    connection.execute(tables.LEDGER.insert().values(head))


def lacks_tables(connection: Connection) -> bool:
    """Whether this ledger is older than some of our tables."""
    there = inspect(connection)
    return not all(there.has_table(table.name) for table in tables.LATER)
