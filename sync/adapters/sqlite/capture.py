"""Our objects in the file: what makes them, checks them, and takes them away again."""

# ruff: noqa: S608 - names of tables and columns come from the plan and the schema, and are quoted

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence

from sync.adapters.sqlite import triggers
from sync.adapters.sqlite.part import Part
from sync.adapters.sqlite.schema import OF_A_SLICE, TABLES, literal, quoted
from sync.core.values import Authority, Phase
from sync.errors import Overtaken, PlanMismatch, Refused

PATIENCE = 10.0  # seconds for the write lock: an install is rare and takes milliseconds once it has it


class Capture(Part):
    """`install`, `restamp`, `remove`, and what is there."""

    def script(self, slice_name: str, authority: Authority) -> str:
        """The statements of `install`."""
        made = (*self._objects(slice_name, authority), *self._triggers_again(slice_name))
        lines = "".join(f"{sql};\n" for sql in made)
        return (
            f"BEGIN IMMEDIATE;\n{lines}"
            "-- then `strangler capture install`, which checks this and stores the stamp\nCOMMIT;\n"
        )

    def _objects(self, slice_name: str, authority: Authority) -> list[str]:
        name = literal(slice_name)
        identity = literal(uuid.uuid4().hex)
        phase = literal(str(authority.phase))
        return [
            *TABLES.values(),
            f"INSERT OR IGNORE INTO sf_installation (only_one, identity) VALUES (1, {identity})",
            f"INSERT OR IGNORE INTO sf_authority VALUES ({name}, '', {authority.epoch}, {phase})",
            f"INSERT OR IGNORE INTO sf_round (slice) VALUES ({name})",
            f"INSERT OR IGNORE INTO sf_side (slice) VALUES ({name})",
        ]

    def _captured(self, slice_name: str) -> list[triggers.Captured]:
        with self.errors:
            return [
                triggers.captured(self.raw, slice_name, table.name, table.key, self.side.other)
                for table in self.spec(slice_name).tables(self.side)
            ]

    def _wanted(self, slice_name: str) -> list[tuple[str, str]]:
        return [each for of in self._captured(slice_name) for each in triggers.statements(of)]

    def _triggers_again(self, slice_name: str) -> list[str]:
        wanted = self._wanted(slice_name)
        with self.errors:
            there = triggers.names(self.raw, slice_name)
            wrong = triggers.standing(self.raw, wanted)
        known = {name for name, _ in wanted}
        drop = [name for name in there if name in wrong or name not in known]
        return [
            *(f"DROP TRIGGER {quoted(name)}" for name in drop),
            *(sql for name, sql in wanted if name in wrong),
        ]

    def install(self, slice_name: str, authority: Authority) -> None:
        """Everything in one transaction: an application sees all of it or nothing."""
        with self.writing(PATIENCE):
            self.schema()
            for table in self.spec(slice_name).tables(self.side):
                if tuple(self.table(slice_name, table.name).shape.key) != table.key:
                    raise PlanMismatch(
                        f"{self.path}: the primary key of {table.name} is not {', '.join(table.key)}: "
                        "say the same key in plan and database"
                    )
            missed = self._missed(slice_name)
            for sql in (*self._objects(slice_name, authority), *self._triggers_again(slice_name), *missed):
                self.run(sql)
            self._keep_stamp(slice_name)

    def _missed(self, slice_name: str) -> list[str]:
        """Marks for whole tables that were written without triggers: a migration had rebuilt them.

        Rows that were deleted meanwhile leave nothing to mark; verify finds them on the other side.
        """
        if "sf_authority" not in self._present():
            return []
        row = self.one("SELECT phase FROM sf_authority WHERE slice = ? AND \"partition\" = ''", (slice_name,))
        if row is None or row[0] != Phase.OPEN:
            return []
        with self.errors:
            return [
                triggers.mark_all(of) for of in self._captured(slice_name) if triggers.unseen(self.raw, of)
            ]

    def restamp(self, slice_name: str) -> None:
        """Accept the tables as they are; our triggers have to be there and fit them."""
        with self.writing(PATIENCE):
            with self.errors:
                wrong = triggers.standing(self.raw, self._wanted(slice_name))
            if wrong:
                raise Refused(
                    f"{self.path}: {len(wrong)} triggers are missing or do not fit: {wrong[0]} …; "
                    f"run strangler capture install {slice_name} first, which marks what was written unseen"
                )
            self._keep_stamp(slice_name)

    def _keep_stamp(self, slice_name: str) -> None:
        now = self.stamp(slice_name).now
        self.run("INSERT OR REPLACE INTO sf_stamp (slice, stamp) VALUES (?, ?)", (slice_name, now))

    def remove(
        self, slice_name: str, *, everything: bool, only_while: Collection[Phase] | None = None
    ) -> Sequence[str]:
        """Triggers first, so that nothing refers to a table that goes."""
        with self.writing(PATIENCE):
            self._see_that_it_is(slice_name, only_while)
            with self.errors:
                gone = triggers.names(self.raw, slice_name)
            for name in gone:
                self.run(f"DROP TRIGGER {quoted(name)}")
            present = set(self._present())
            if "sf_stamp" in present:
                self.run("DELETE FROM sf_stamp WHERE slice = ?", (slice_name,))
            if everything:
                gone += self._remove_rows(slice_name, present)
            return gone

    def removal(self, slice_name: str, *, everything: bool) -> str:
        """The statements of `remove`."""
        with self.reading():
            present = self._present()
            with self.errors:
                lines = [f"DROP TRIGGER {quoted(name)}" for name in triggers.names(self.raw, slice_name)]
            name = literal(slice_name)
            gone = [each for each in OF_A_SLICE if each in present] if everything else []
            if "sf_authority" not in present:
                return "-- nothing of ours is here\n"
            if everything and not self.one("SELECT 1 FROM sf_authority WHERE slice <> ?", (slice_name,)):
                lines += [f"DROP TABLE {each}" for each in sorted(present)]
            else:
                lines += [f"DELETE FROM {each} WHERE slice = {name}" for each in gone or ["sf_stamp"]]
        return "BEGIN IMMEDIATE;\n" + "".join(f"{sql};\n" for sql in lines) + "COMMIT;\n"

    def _see_that_it_is(self, slice_name: str, only_while: Collection[Phase] | None) -> None:
        if only_while is None or "sf_authority" not in self._present():
            return
        row = self.one("SELECT phase FROM sf_authority WHERE slice = ? AND \"partition\" = ''", (slice_name,))
        if row is not None and row[0] not in only_while:
            raise Overtaken(f"{self.path}: {slice_name} is {row[0]} here by now")

    def _present(self) -> list[str]:
        found = self.run("SELECT name FROM sqlite_master WHERE type = 'table'")
        return [name for (name,) in found if name in TABLES]

    def _remove_rows(self, slice_name: str, present: set[str]) -> list[str]:
        mine = [name for name in OF_A_SLICE if name in present]
        for name in mine:
            self.run(f"DELETE FROM {name} WHERE slice = ?", (slice_name,))
        if "sf_authority" in present and self.one("SELECT 1 FROM sf_authority LIMIT 1"):
            return mine  # another slice lives here
        self._see_that_nobody_asks()
        for name in sorted(present):
            self.run(f"DROP TABLE {name}")
        return sorted(present)

    def _see_that_nobody_asks(self) -> None:
        """An application's trigger that asks for our mark would fail without our table, and writes too."""
        sql = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%sf^_round%' ESCAPE '^'"
        for (name,) in self.run(sql):
            raise Refused(
                f"{self.path}: trigger {name} still asks sf_round whether a round writes: take that out "
                "of it first, or its table could not be written any more"
            )

    def objects(self) -> Sequence[str]:
        """Tables and triggers of ours."""
        found = self.run(
            "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'trigger') ORDER BY name"
        )
        return [
            f"{kind} {name}"
            for kind, name in found
            if name in TABLES or (kind == "trigger" and name.startswith("sf_"))
        ]
