"""Who gives out legacy's integers: the table's own generator, or a block of it on the other side.

A rowid table without AUTOINCREMENT has no generator that could be moved: its next id is the greatest + 1. A
block is then safe as long as its highest row came over, which an empty quarantine at the flip says.
"""

# ruff: noqa: S608 - names of tables and columns come from the plan and the schema, and are quoted

from __future__ import annotations

from sync.adapters.sqlite.part import Part
from sync.adapters.sqlite.schema import quoted
from sync.adapters.sqlite.shapes import rowid_alias
from sync.errors import PlanMismatch, Refused

_NAME = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE"
_GIVE = "INSERT OR REPLACE INTO sf_ids (slice, entity, first, next, last) VALUES (?, ?, ?, ?, ?)"


class Ids(Part):
    """Blocks: reserved where the generator is, given out on the other side."""

    def reserve(self, slice_name: str, entity: str, size: int) -> tuple[int, int]:
        """The next `size` integers of this side's generator."""
        table = self.spec(slice_name).entity(entity).root(self.side).name
        with self.writing():
            column = self._generated(table)
            autoincrement = has_autoincrement(self, table)
            row = self.one(
                "SELECT phase FROM sf_authority WHERE slice = ? AND \"partition\" = ''", (slice_name,)
            )
            if row and row[0] == "open" and not autoincrement:
                raise Refused(
                    f"{self.path}: {table} has no AUTOINCREMENT, so no integers can be set aside while the "
                    "slice is open here: reserve them during the flip, after this side was closed"
                )
            last = self._last(slice_name, entity, table, column)
            upto = last + size
            self.run(
                "INSERT OR REPLACE INTO sf_reserved (slice, entity, last) VALUES (?, ?, ?)",
                (slice_name, entity, upto),
            )
            if autoincrement:
                self._set_generator(table, upto)
        return last + 1, upto

    def _generated(self, table: str) -> str:
        with self.errors:
            column = rowid_alias(self.raw, table)
        if column is None:
            raise PlanMismatch(
                f"{self.path}: the key of {table} is not INTEGER PRIMARY KEY: nothing draws integers for it"
            )
        return column

    def _last(self, slice_name: str, entity: str, table: str, column: str) -> int:
        greatest = self.one(f"SELECT coalesce(max({quoted(column)}), 0) FROM {quoted(table)}")[0]
        reserved = self.one(
            "SELECT last FROM sf_reserved WHERE slice = ? AND entity = ?", (slice_name, entity)
        )
        drawn = self.one("SELECT seq FROM sqlite_sequence WHERE name = ? COLLATE NOCASE", (table,))
        return int(max(greatest, reserved[0] if reserved else 0, drawn[0] if drawn else 0, 0))

    def _set_generator(self, table: str, last: int) -> None:
        # The table has no key: a row is there only when something was drawn before.
        own = self.one(_NAME, (table,))[0]
        if self.one("SELECT 1 FROM sqlite_sequence WHERE name = ?", (own,)):
            self.run("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (last, own))
        else:
            self.run("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (own, last))

    def advance_generators(self, slice_name: str) -> None:
        """Past every block and every key, for all tables of the slice; inside the caller's transaction."""
        for entity in self.spec(slice_name).entities:
            for table in entity.tables(self.side):
                with self.errors:
                    column = rowid_alias(self.raw, table.name)
                if column is not None and has_autoincrement(self, table.name):
                    last = self._last(slice_name, entity.name, table.name, column)
                    self._set_generator(table.name, last)

    def give_ids(self, slice_name: str, entity: str, first: int, last: int) -> None:
        """The block that this side's applications draw from, instead of any earlier one."""
        with self.writing():
            self.run(_GIVE, (slice_name, entity, first, first, last))

    def ids_left(self, slice_name: str, entity: str) -> int:
        """What is left of the block."""
        row = self.one(
            "SELECT last - next + 1 FROM sf_ids WHERE slice = ? AND entity = ?", (slice_name, entity)
        )
        return max(row[0], 0) if row else 0


def has_autoincrement(part: Part, table: str) -> bool:
    """Whether the table's integers are drawn from sqlite_sequence."""
    row = part.one("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE", (table,))
    return bool(row) and "autoincrement" in row[0].lower()
