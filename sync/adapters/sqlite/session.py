"""`sync.ports.Session` on one SQLite file: its subjects put together."""

# ruff: noqa: S608 - names of tables and columns come from the plan and the schema, and are quoted

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sync.adapters.sqlite.audit import audit
from sync.adapters.sqlite.collations import collations
from sync.adapters.sqlite.outbox import Outbox
from sync.adapters.sqlite.rehearsal import Rehearsal
from sync.adapters.sqlite.schema import quoted
from sync.adapters.sqlite.shapes import read_shape
from sync.core.audit import Finding
from sync.core.collations import Collations
from sync.core.recent import applied_rows, changed
from sync.core.records import TableShape
from sync.core.rounds import Named
from sync.core.values import Applied

_NEWEST = "SELECT pos, round, entity, key FROM sf_log WHERE slice = ? ORDER BY pos DESC LIMIT ?"
_APPLIED_SINCE = """SELECT entity, key, peer_key, epoch, round, deleted FROM sf_applied
    WHERE slice = ? AND round > ? LIMIT ?"""


class SqliteSession(Outbox, Rehearsal):
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

    def collations(self, slice_name: str) -> Collations:
        """How this file compares text: by bytes, but where a unique index says otherwise."""
        with self.reading(), self.errors:
            return collations(self.raw, self.spec(slice_name), self.side)

    def changed_since(self, slice_name: str, number: int, lines: int) -> set[Named] | None:
        """The service's keys that rounds after `number` changed here."""
        return changed(self.run(_NEWEST, (slice_name, lines)), number)

    def applied_since(self, slice_name: str, number: int, most: int) -> Sequence[Applied] | None:
        """What rounds after `number` applied here."""
        rows = self.run(_APPLIED_SINCE, (slice_name, number, most + 1))
        return applied_rows(rows) if len(rows) <= most else None

    def count(self, table: str) -> int:
        """How many rows."""
        found: int = self.one(f"SELECT count(*) FROM {quoted(table)}")[0]
        return found
