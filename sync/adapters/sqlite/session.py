"""`sync.ports.Session` on one SQLite file: its subjects put together."""

# ruff: noqa: S608 - names of tables and columns come from the plan and the schema, and are quoted

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sync.adapters.sqlite.audit import audit
from sync.adapters.sqlite.ids import Ids
from sync.adapters.sqlite.outbox import Outbox
from sync.adapters.sqlite.rehearsal import Rehearsal
from sync.adapters.sqlite.schema import quoted
from sync.adapters.sqlite.shapes import read_shape
from sync.core.audit import Finding
from sync.core.records import TableShape


class SqliteSession(Ids, Outbox, Rehearsal):
    """One connection to one side."""

    def shapes(self, tables: Iterable[str]) -> Mapping[str, TableShape]:
        """The named tables that are there."""
        found: dict[str, TableShape] = {}
        with self.reading(), self.errors:
            for name in tables:
                shape = read_shape(self.raw, name)
                if shape is not None:
                    found[name] = shape
        return found

    def audit(self, slice_name: str) -> Sequence[Finding]:
        """Every known hole of capture and fence on this side."""
        with self.reading(), self.errors:
            return list(audit(self.raw, self.spec(slice_name), self.side))

    def count(self, table: str) -> int:
        """How many rows."""
        found: int = self.one(f"SELECT count(*) FROM {quoted(table)}")[0]
        return found
