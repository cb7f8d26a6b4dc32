"""What a change does to a row of the ledger: the same decision for every database."""

from __future__ import annotations

from dataclasses import asdict

from migration.core.effective import RouteState
from migration.core.stages import ReadStage
from migration.errors import LedgerConflict, LedgerError


def changed(
    route: str,
    before: RouteState | None,
    expected_version: int,
    *,
    stage: ReadStage,
    cap_pct: int,
    applied_pct: int,
    mirror_pct: int,
    hold: bool,
    hold_reason: str,
    at: float,
) -> RouteState:
    """The row after the change; LedgerConflict when it was read too early, LedgerError when it is none."""
    if before is None:
        raise LedgerError(f"the ledger knows no route {route}; check its name with: strangler status")
    if before.version != expected_version:
        raise LedgerConflict(f"{route} was changed meanwhile; read it again and decide again")
    moved = (before.stage, before.cap_pct, before.applied_pct) != (stage, cap_pct, applied_pct)
    since = at if moved else before.since
    try:
        return RouteState(
            route=route,
            stage=stage,
            cap_pct=cap_pct,
            applied_pct=applied_pct,
            mirror_pct=mirror_pct,
            hold=hold,
            hold_reason=hold_reason,
            since=since,
            version=before.version + 1,
        )
    except ValueError as error:
        raise LedgerError(f"the ledger refuses a row that contradicts itself: {error}") from None


def row_values(state: RouteState | None) -> dict[str, object]:
    """A row as the audit keeps it: plain values, without the route's name."""
    if state is None:
        return {}
    values = asdict(state)
    del values["route"]
    values["stage"] = state.stage.value
    return values
