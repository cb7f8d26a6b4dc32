"""The lines of the audit in a ledger's database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from migration.adapters import ledger_tables as tables
from migration.ports import AuditEntry, AuditRow


def append(
    connection: Connection,
    entry: AuditEntry,
    route: str,
    before: Mapping[str, object],
    after: Mapping[str, object],
    version: int,
) -> None:
    """Write one line, within the transaction of what it is about."""
    values = {"route": route, "before": json.dumps(before), "after": json.dumps(after), "version": version}
    connection.execute(tables.AUDIT.insert().values({**asdict(entry), **values}))


def audit_row(row: dict[str, Any]) -> AuditRow:
    """A line as it was written."""
    names = ("actor", "action", "why", "at", "evidence", "override")
    entry = AuditEntry(**{name: row[name] for name in names})
    before, after = json.loads(row["before"]), json.loads(row["after"])
    return AuditRow(row["id"], entry, row["route"], before, after, row["version"])
