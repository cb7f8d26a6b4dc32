"""What the tables' own triggers write: SQLite fires them when a round applies, and nothing can stop that."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

from sync.adapters.sqlite.holes import found
from sync.adapters.sqlite.schema import PREFIX
from sync.core.audit import Finding
from sync.core.values import SliceSpec

# Comments and texts say nothing of what is written; a quoted name does.
_NOISE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_NAME = r"""(?:"((?:[^"]|"")+)"|`([^`]+)`|\[([^\]]+)\]|([^\W\d]\w*))"""
_WRITES = re.compile(
    r"\b(?:(?:insert|replace)(?:\s+or\s+\w+)?\s+into|update(?:\s+or\s+\w+)?|delete\s+from)\s+" + _NAME,
    re.IGNORECASE,
)
_BODY = re.compile(r"\bbegin\b", re.IGNORECASE)


def written(sql: str) -> frozenset[str]:
    """The tables, in lower case, that the body of a CREATE TRIGGER writes."""
    quiet = _NOISE.sub(" ", sql)
    begins = _BODY.search(quiet)
    body = quiet[begins.end() :] if begins else ""
    return frozenset(
        next(part for part in match.groups() if part).lower() for match in _WRITES.finditer(body)
    )


def guarded(sql: str) -> bool:
    """Whether the trigger asks for the mark of a round before it does anything."""
    quiet = _NOISE.sub(" ", sql)
    begins = _BODY.search(quiet)
    head = quiet[: begins.start()] if begins else ""
    return "sf_round" in head.lower() and "mark" in head.lower()


def holes(
    connection: sqlite3.Connection, table: str, inside: frozenset[str], spec: SliceSpec
) -> Iterator[Finding]:
    """The table's own triggers, and those of tables outside that write to it."""
    for name, of, sql in connection.execute(
        "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name"
    ).fetchall():
        if name.startswith(PREFIX):
            continue
        where, writes = f"{of}, trigger {name}", written(sql)
        if of.lower() == table.lower() and writes and not guarded(sql):
            again = writes & inside
            code = "trigger-again" if again else "trigger-elsewhere"
            yield found(code, where, tables=", ".join(sorted(again or writes)), slice=spec.name)
        elif of.lower() not in inside and table.lower() in writes and of not in spec.accepted_splits:
            yield found("trigger-in", where, table=table, other=of)
