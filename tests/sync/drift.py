"""Changes a side behind everybody's back, as an administrator or a defect would: no mark, no fence."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import psycopg
from sqlalchemy import make_url

from tests.contract.side_databases import Bank


def plant(bank: Bank, *statements: str) -> None:
    """Run them as if a round did, and leave no trace of it."""
    if bank.engine == "sqlite":
        with closing(sqlite3.connect(bank.application.path, isolation_level=None, timeout=10)) as line:
            line.execute("BEGIN IMMEDIATE")
            line.execute("UPDATE sf_round SET mark = 1")
            for statement in statements:
                line.execute(statement)
            line.execute("UPDATE sf_round SET mark = 0")
            line.execute("COMMIT")
        return
    url = make_url(bank.url).set(drivername="postgresql", username="bank_sync")
    with psycopg.connect(url.render_as_string(hide_password=False)) as line:
        line.execute("SET LOCAL session_replication_role = replica")
        line.execute(
            "UPDATE sf.round SET mark = pg_current_xact_id()::text, epoch = greatest(epoch, "
            "(SELECT max(epoch) FROM sf.authority))"
        )
        for statement in statements:
            line.execute(statement.encode())
