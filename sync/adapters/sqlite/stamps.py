"""A fingerprint of tables, their unique indexes and triggers: a rebuilt table has lost its triggers."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable

# Other indexes decide nothing: adding one must stop no slice. Keys and UNIQUE in a table are in its own text.
_SQL = """SELECT m.type, m.name, m.tbl_name, m.sql FROM json_each(?) AS j
    JOIN sqlite_master AS m ON m.tbl_name = j.value COLLATE NOCASE
    WHERE m.type IN ('table', 'trigger') OR m.sql LIKE 'create unique%'
    ORDER BY m.type, m.name"""


def stamp_of(connection: sqlite3.Connection, tables: Iterable[str]) -> str:
    """The fingerprint of these tables as they are now."""
    names = json.dumps(list(tables))
    found = connection.execute(_SQL, (names,)).fetchall()
    return hashlib.sha256(repr(found).encode()).hexdigest()[:16]
