"""In-memory twins of the ledger, the flag source and the flag writer; they pass the same contract tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from migration.core.effective import RouteState
from migration.core.flag_edits import create_missing, set_kill, set_share
from migration.core.flags import FlagState
from migration.core.ledger_rows import changed, row_values
from migration.core.plan import Side
from migration.core.slice_state import Seat, SlicePhase, SliceState, changed_slice, slice_values
from migration.core.stages import ReadStage, WriteStage
from migration.errors import FlagError
from migration.ports import AuditEntry, AuditRow


class MemoryLedger:
    """A ledger that lives as long as the process."""

    def __init__(self) -> None:
        """Start empty."""
        self._rows: dict[str, RouteState] = {}
        self._slices: dict[str, SliceState] = {}
        self._seats: dict[tuple[str, str], Seat] = {}
        self._audit: list[AuditRow] = []
        self._leases: dict[str, tuple[str, float]] = {}
        self._version = 0
        self._lock = threading.RLock()

    def routes(self) -> Mapping[str, RouteState]:
        """Every row by its route's id."""
        with self._lock:
            return dict(self._rows)

    def ensure(self, route_ids: Iterable[str]) -> None:
        """Add a row at stage legacy for each route that has none."""
        with self._lock:
            for route in route_ids:
                if route not in self._rows:
                    self._rows[route] = RouteState(route)
                    self._version += 1

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
        """Set the row if it still has `expected_version`, and write the audit line."""
        with self._lock:
            before = self._rows.get(route)
            after = changed(
                route,
                before,
                expected_version,
                stage=stage,
                cap_pct=cap_pct,
                applied_pct=applied_pct,
                mirror_pct=mirror_pct,
                hold=hold,
                hold_reason=hold_reason,
                at=audit.at,
            )
            self._rows[route] = after
            self._version += 1
            self._append(audit, route, row_values(before), row_values(after))
            return after

    def slices(self) -> Mapping[str, SliceState]:
        """The row of every slice by its name."""
        with self._lock:
            return dict(self._slices)

    def ensure_slices(self, names: Iterable[str]) -> None:
        """Add a row at write stage legacy for each slice that has none."""
        with self._lock:
            missing = [name for name in dict.fromkeys(names) if name not in self._slices]
            self._slices.update({name: SliceState(name) for name in missing})
            self._version += bool(missing)

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
        """Set a slice's row if it still has `expected_version`, and write the audit line."""
        with self._lock:
            before = self._slices.get(slice_name)
            after = changed_slice(
                slice_name,
                before,
                expected_version,
                write_stage=write_stage,
                authority=authority,
                epoch=epoch,
                phase=phase,
                hold_until=hold_until,
            )
            self._slices[slice_name] = after
            self._version += 1
            self._append(audit, slice_name, slice_values(before), slice_values(after))
            return after

    def take_seat(self, seat: Seat) -> None:
        """Say what a facade has taken of a slice."""
        with self._lock:
            self._seats[seat.facade, seat.slice] = seat

    def seats(self, slice_name: str) -> list[Seat]:
        """What the facades have said of a slice."""
        with self._lock:
            found = [seat for seat in self._seats.values() if seat.slice == slice_name]
            return sorted(found, key=lambda seat: seat.facade)

    def leave_seats(self, facade: str) -> None:
        """A facade ends."""
        with self._lock:
            self._seats = {key: seat for key, seat in self._seats.items() if key[0] != facade}

    def record(self, audit: AuditEntry, route: str = "") -> None:
        """Write an audit line that changes no row."""
        with self._lock:
            self._append(audit, route, {}, {})

    def audit(self, limit: int, route: str | None = None) -> list[AuditRow]:
        """The last `limit` lines, newest first."""
        with self._lock:
            found = [row for row in reversed(self._audit) if route is None or row.route == route]
            return found[:limit]

    def version(self) -> int:
        """Grows with each change of any row."""
        return self._version

    def lease(self, name: str, holder: str, ttl: float, now: float) -> bool:
        """Take or renew a lease until `now + ttl`."""
        with self._lock:
            current = self._leases.get(name)
            if current is not None and current[0] != holder and current[1] > now:
                return False
            self._leases[name] = (holder, now + ttl)
            return True

    def release_lease(self, name: str, holder: str) -> None:
        """Give the lease back, if it is this holder's."""
        with self._lock:
            if self._leases.get(name, ("", 0.0))[0] == holder:
                del self._leases[name]

    def lease_holder(self, name: str, now: float) -> str | None:
        """Who holds the lease now."""
        holder, until = self._leases.get(name, ("", 0.0))
        return holder if until > now else None

    def close(self) -> None:
        """Nothing to let go of."""

    def _append(
        self, entry: AuditEntry, route: str, before: Mapping[str, object], after: Mapping[str, object]
    ) -> None:
        self._audit.append(AuditRow(len(self._audit) + 1, entry, route, before, after, self._version))


class MemoryFlags:
    """A flag source and writer in one; set `broken` to a sentence and both fail with it."""

    def __init__(self, clock: Callable[[], float], document: Mapping[str, Any] | None = None) -> None:
        """Start from `document` (the shape of Unleash's client API), or without flags."""
        self.document: Mapping[str, Any] = document or {"version": 2, "features": []}
        self.broken: str | None = None
        self._clock = clock

    async def fetch(self) -> FlagState:
        """The state now."""
        self._check()
        return FlagState.from_features(self.document, self._clock())

    def describe(self) -> str:
        """Which source this is."""
        return "flags in memory"

    async def set_rollout(self, flag: str, pct: int) -> None:
        """Set a flag's share and switch it on."""
        self._check()
        self.document = set_share(self.document, flag, pct)

    async def ensure(self, flags: Iterable[str]) -> tuple[str, ...]:
        """Create the missing flags at 0 %."""
        self._check()
        self.document, created = create_missing(self.document, flags)
        return created

    async def kill(self, on: bool) -> None:
        """Switch `strangler.kill`."""
        self._check()
        self.document = set_kill(self.document, on)

    async def close(self) -> None:
        """Nothing to let go of."""

    def _check(self) -> None:
        if self.broken is not None:
            raise FlagError(self.broken)
