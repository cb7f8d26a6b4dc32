"""The ledger's rows of slices and seats, read and written within a transaction of `ledger_sql`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, select

from migration.adapters import ledger_tables as tables
from migration.core.plan import Side
from migration.core.slice_state import Seat, SlicePhase, SliceState
from migration.core.stages import WriteStage
from migration.errors import LedgerError

# A seat that nobody renewed for so long is a killed facade's; flips have stopped to count it long before.
_ABANDONED = 3600.0


def read_slices(connection: Connection) -> Mapping[str, SliceState]:
    """Every slice's row by its name; partitions are for later."""
    rows = connection.execute(select(tables.SLICE_STATE)).mappings().all()
    return {row["slice"]: _state(dict(row)) for row in rows}


def read_slice(connection: Connection, name: str) -> SliceState | None:
    """One slice's row."""
    query = select(tables.SLICE_STATE).where(tables.SLICE_STATE.c.slice == name)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _state(dict(row))


def write_slice(connection: Connection, state: SliceState) -> None:
    """Replace one slice's row."""
    table = tables.SLICE_STATE
    mine = (table.c.slice == state.slice) & (table.c.partition == state.partition)
    connection.execute(table.update().where(mine).values(asdict(state)))


def add_slices(connection: Connection, names: Iterable[str]) -> None:
    """Add the rows of slices that have none."""
    connection.execute(tables.ADD_SLICE, [{"slice": name} for name in names])


def write_seat(connection: Connection, seat: Seat) -> None:
    """Replace one facade's seat, and sweep out those of the dead."""
    connection.execute(tables.SWEEP_SEATS, {"before": seat.at - _ABANDONED})
    connection.execute(tables.TAKE_SEAT, {**asdict(seat), "phase": seat.phase.value})


def read_seats(connection: Connection, name: str) -> list[Seat]:
    """All seats of one slice."""
    query = select(tables.SEAT).where(tables.SEAT.c.slice == name).order_by(tables.SEAT.c.facade)
    rows = connection.execute(query).mappings().all()
    return [Seat(**{**row, "phase": SlicePhase(row["phase"])}) for row in rows]


def _state(row: dict[str, Any]) -> SliceState:
    try:
        kinds = {"write_stage": WriteStage, "authority": Side, "phase": SlicePhase}
        return SliceState(**{**row, **{name: kind(row[name]) for name, kind in kinds.items()}})
    except ValueError as error:
        raise LedgerError(f"the ledger holds a row that contradicts itself: {error}; restore it") from None
