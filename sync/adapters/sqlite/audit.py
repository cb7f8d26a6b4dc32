"""What SQLite cannot capture or fence, found before it is relied on; each with its cure."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from sync.core.audit import Finding
from sync.core.values import Side, SliceSpec


def findings(connection: sqlite3.Connection, spec: SliceSpec, side: Side) -> Iterator[Finding]:
    """Every finding for the slice's tables on this side."""
    yield from ()
