"""Through what this room reaches the outside: the ledger, the flags, and their evaluation.

The ledger blocks (callers in asyncio use `asyncio.to_thread`); flag sources and writers are async. Every
call is bounded by timeouts of at most two seconds. Times are UTC epoch seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from migration.core.effective import RouteState
from migration.core.flags import FlagState
from migration.core.plan import Side
from migration.core.slice_state import Seat, SlicePhase, SliceState
from migration.core.stages import ReadStage, WriteStage


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who changes what, when and why; `evidence` is the hash of what the gate was shown."""

    actor: str
    action: str  # shift, advance, rollback, conduct, shadow, retire, note…
    why: str
    at: float
    evidence: str = ""
    override: str = ""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One line of the append-only audit; `before` and `after` are the row's values around the change."""

    id: int
    entry: AuditEntry
    route: str
    before: Mapping[str, object]
    after: Mapping[str, object]
    version: int


class Ledger(Protocol):
    """The durable record of the migration. Raises LedgerError, and LedgerConflict when a change lost."""

    def routes(self) -> Mapping[str, RouteState]:
        """Every row by its route's id."""
        ...

    def ensure(self, route_ids: Iterable[str]) -> None:
        """Add a row at stage legacy for each route that has none."""
        ...

    def change(
        self,
        route: str,
        expected_version: int,
        *,
        stage: ReadStage,
        cap_pct: int,
        applied_pct: int,
        mirror_pct: int,
        hold: bool,
        hold_reason: str,
        audit: AuditEntry,
    ) -> RouteState:
        """Set the row if it still has `expected_version`; row and audit in one transaction."""
        ...

    def slices(self) -> Mapping[str, SliceState]:
        """The row of every slice by its name."""
        ...

    def ensure_slices(self, names: Iterable[str]) -> None:
        """Add a row at write stage legacy for each slice that has none."""
        ...

    def change_slice(
        self,
        slice_name: str,
        expected_version: int,
        *,
        write_stage: WriteStage,
        authority: Side,
        epoch: int,
        phase: SlicePhase,
        hold_until: float,
        audit: AuditEntry,
    ) -> SliceState:
        """Set a slice's row if it still has `expected_version`; row and audit in one transaction."""
        ...

    def take_seat(self, seat: Seat) -> None:
        """Say what a facade has taken of a slice; replaces what it said before. `version` stays."""
        ...

    def seats(self, slice_name: str) -> list[Seat]:
        """What the facades have said of a slice, also those that are gone by now."""
        ...

    def leave_seats(self, facade: str) -> None:
        """A facade ends."""
        ...

    def record(self, audit: AuditEntry, route: str = "") -> None:
        """Write an audit line that changes no row; `route` may be a slice's name."""
        ...

    def audit(self, limit: int, route: str | None = None) -> list[AuditRow]:
        """The last `limit` lines, newest first."""
        ...

    def version(self) -> int:
        """A number that grows with each change of any row: cheap to poll."""
        ...

    def lease(self, name: str, holder: str, ttl: float, now: float) -> bool:
        """Take or renew a lease until `now + ttl`; False while somebody else holds it."""
        ...

    def release_lease(self, name: str, holder: str) -> None:
        """Give the lease back, if it is this holder's."""
        ...

    def lease_holder(self, name: str, now: float) -> str | None:
        """Who holds the lease now; None when nobody does. Changes nothing."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(frozen=True, slots=True)
class FlagContext:
    """What a flag may be evaluated with; `key` is Unleash's userId."""

    key: str | None
    properties: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class FlagEvaluator(Protocol):
    """Evaluates flags as Unleash does. Never ask it for names that users made."""

    def take(self, state: FlagState) -> None:
        """Evaluate from this state on; FlagError when the engine refuses it."""
        ...

    def enabled(self, flag: str, context: FlagContext) -> bool:
        """Whether `flag` is on for this context; an unknown flag is off."""
        ...


class FlagSource(Protocol):
    """Where the state of the flags comes from."""

    async def fetch(self) -> FlagState:
        """The state now; FlagError when it cannot be had within two seconds or cannot be read."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...

    def describe(self) -> str:
        """Which source this is, without secrets, for messages."""
        ...


class FlagWriter(Protocol):
    """Changes flags for the CLI; FlagError when that fails."""

    async def set_rollout(self, flag: str, pct: int) -> None:
        """Set a flag's share 0..100 and switch it on; creates it when it is missing."""
        ...

    async def ensure(self, flags: Iterable[str]) -> tuple[str, ...]:
        """Create the missing flags at 0 %; returns the created ones."""
        ...

    async def kill(self, on: bool) -> None:
        """Switch `strangler.kill`."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
