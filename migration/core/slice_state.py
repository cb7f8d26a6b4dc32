"""The ledger's rows of a slice's writes: who is the authority, and which facades have heard of a flip.

They are a cache: the fence in the two databases decides. What is decided here is decided without a clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from migration.core.plan import Side
from migration.core.stages import WriteStage, writes_allowed, writes_refusal
from migration.errors import LedgerConflict, LedgerError

SEAT_FRESH = 6.0
"""Seconds that a seat counts after it was last renewed: a facade renews it every two."""

_EXTRACTED_WRITES = frozenset({WriteStage.FLIPPED, WriteStage.RETIRED})
_FOLLOWED = frozenset({WriteStage.SYNC, WriteStage.REHEARSE, *_EXTRACTED_WRITES})


class SlicePhase(StrEnum):
    """What the facades are told to do with the slice's writes."""

    STEADY = "steady"  # to the authority
    ANNOUNCED = "announced"  # to the authority; a flip begins in a moment
    FLIPPING = "flipping"  # wait
    UNKNOWN = "unknown"  # wait: nobody knows who is the authority


_WAITS = frozenset({SlicePhase.FLIPPING, SlicePhase.UNKNOWN})


@dataclass(frozen=True, slots=True)
class SliceState:
    """The ledger's row of a slice: where its writes stand and go.

    `partition` is for a later division of a slice. `hold_until` (UTC epoch seconds) is when a phase that is
    not steady should be over: until then the facades ask often.
    """

    slice: str
    partition: str = ""
    write_stage: WriteStage = WriteStage.LEGACY
    authority: Side = Side.LEGACY
    epoch: int = 1
    phase: SlicePhase = SlicePhase.STEADY
    hold_until: float = 0.0
    version: int = 0

    def __post_init__(self) -> None:
        """Refuse a row that contradicts itself (ValueError)."""
        if self.epoch < 0 or self.version < 0:
            raise ValueError(f"{self.slice}: epoch {self.epoch} and version {self.version} are not negative")
        if (self.write_stage in _EXTRACTED_WRITES) != (self.authority is Side.EXTRACTED):
            stage, side = self.write_stage.value, self.authority.value
            raise ValueError(f"{self.slice}: writes at {stage} do not go with the authority {side}")

    @property
    def waits(self) -> bool:
        """Whether new writes wait."""
        return self.phase in _WAITS

    @property
    def followed(self) -> bool:
        """Whether each side has the other's data, as far as it has been applied."""
        return self.write_stage in _FOLLOWED

    @property
    def extracted_writes(self) -> bool:
        """Whether writes have moved to the extracted service."""
        return self.write_stage in _EXTRACTED_WRITES


@dataclass(frozen=True, slots=True)
class Seat:
    """What one facade has taken of a slice: its row's `version`, and how many of its writes are on their way.

    `at` (UTC epoch seconds) is when it said so last.
    """

    facade: str
    slice: str
    epoch: int
    phase: SlicePhase
    in_flight: int
    at: float
    version: int = 0


def changed_slice(
    name: str,
    before: SliceState | None,
    expected_version: int,
    *,
    write_stage: WriteStage,
    authority: Side,
    epoch: int,
    phase: SlicePhase,
    hold_until: float,
) -> SliceState:
    """The row after the change; LedgerConflict when it was read too early, LedgerError when it may not be."""
    if before is None:
        raise LedgerError(f"the ledger knows no slice {name}; check its name, or run: strangler up")
    if before.version != expected_version:
        raise LedgerConflict(f"{name} was changed meanwhile; read it again and decide again")
    if not writes_allowed(before.write_stage, write_stage):
        raise LedgerError(f"{name}: {writes_refusal(before.write_stage, write_stage)}")
    if epoch < before.epoch and write_stage is not WriteStage.LEGACY:
        raise LedgerError(
            f"{name}: epoch {epoch} is older than {before.epoch}; read the databases again: epochs only rise"
        )
    try:
        return SliceState(
            name, before.partition, write_stage, authority, epoch, phase, hold_until, before.version + 1
        )
    except ValueError as error:
        raise LedgerError(f"the ledger refuses a row that contradicts itself: {error}") from None


def slice_values(state: SliceState | None) -> dict[str, object]:
    """A row as the audit keeps it: plain values, without the slice's name."""
    if state is None:
        return {}
    values = asdict(state)
    del values["slice"]
    return {name: value.value if isinstance(value, StrEnum) else value for name, value in values.items()}


def settled(state: SliceState, authority: Side, epoch: int) -> SliceState:
    """The row once the databases have decided: `authority` writes in `epoch`."""
    stage = state.write_stage
    if authority is Side.EXTRACTED and not state.extracted_writes:
        stage = WriteStage.FLIPPED
    elif authority is Side.LEGACY and state.extracted_writes:
        stage = WriteStage.SYNC
    return replace(
        state, write_stage=stage, authority=authority, epoch=epoch, phase=SlicePhase.STEADY, hold_until=0.0
    )


def fresh(seats: Iterable[Seat], now: float) -> list[Seat]:
    """The seats of the facades that are there now."""
    return [seat for seat in seats if now - seat.at <= SEAT_FRESH]


def all_seen(seats: Iterable[Seat], state: SliceState, now: float) -> bool:
    """Whether every facade that is there has taken this row."""
    return all(seat.version >= state.version for seat in fresh(seats, now))


def all_idle(seats: Iterable[Seat], state: SliceState, now: float) -> bool:
    """Whether every facade that is there has taken this row and has no write of the slice on its way."""
    return all(seat.version >= state.version and seat.in_flight == 0 for seat in fresh(seats, now))
