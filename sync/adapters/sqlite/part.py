"""What every subject of a session needs: the connection, its side, and the slice's tables as they are now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sync.adapters.sqlite.line import Line
from sync.adapters.sqlite.stamps import stamp_of
from sync.adapters.sqlite.tables import Table, load
from sync.core.records import Stamp
from sync.core.values import Entity, Side, SliceSpec
from sync.errors import PlanMismatch


class Part(Line):
    """A connection that knows the slices. What it knows of the schema it learns again when that changes."""

    def __init__(self, path: Path, side: Side, specs: Mapping[str, SliceSpec], holder: str) -> None:
        """Connect; DatabaseAway."""
        super().__init__(path)
        self.side = side
        self.specs = specs
        self.holder = holder
        self._schema = -1
        self._tables: dict[str, Table] = {}
        self._stamps: dict[str, str] = {}

    def spec(self, slice_name: str) -> SliceSpec:
        """What the plan says of the slice."""
        try:
            return self.specs[slice_name]
        except KeyError:
            raise PlanMismatch(f'the plan knows no slice {slice_name} with `data = "sync"`') from None

    def schema(self) -> int:
        """The schema's version as this transaction sees it; forgets what was learned of another one."""
        version: int = self.one("PRAGMA schema_version")[0]
        if version != self._schema:
            self._schema = version
            self._tables.clear()
            self._stamps.clear()
        return version

    def table(self, slice_name: str, name: str) -> Table:
        """The mapped table `name`; call `schema` once in each transaction before."""
        found = self._tables.get(name)
        if found is None:
            spec = next(each for each in self.spec(slice_name).tables(self.side) if each.name == name)
            with self.errors:
                found = self._tables[name] = load(self.raw, spec)
        return found

    def entity_tables(self, slice_name: str, entity: Entity) -> list[Table]:
        """The entity's tables on this side, the root first."""
        return [self.table(slice_name, spec.name) for spec in entity.tables(self.side)]

    def stamp(self, slice_name: str) -> Stamp:
        """The fingerprint of the slice's tables and triggers, now and as `install` left it."""
        self.schema()
        if slice_name not in self._stamps:
            names = [spec.name for spec in self.spec(slice_name).tables(self.side)]
            with self.errors:
                self._stamps[slice_name] = stamp_of(self.raw, names)
        row = self.one("SELECT stamp FROM sf_stamp WHERE slice = ?", (slice_name,))
        return Stamp(self._stamps[slice_name], row[0] if row else "")
