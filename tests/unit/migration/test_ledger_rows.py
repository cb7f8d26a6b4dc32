"""What a change does to a row, whatever database keeps it."""

from __future__ import annotations

from typing import Any

import pytest

from migration.core.effective import RouteState
from migration.core.ledger_rows import changed, row_values
from migration.core.stages import ReadStage
from migration.errors import LedgerConflict, LedgerError
from tests.unit.migration.migration_builders import a_state

NAME = "catalog.show_product"
BEFORE = a_state(stage=ReadStage.CANARY, cap_pct=10, applied_pct=10, mirror_pct=25, since=5.0, version=7)


def change(before: RouteState | None = BEFORE, expected: int = 7, **changes: Any) -> RouteState:
    values = row_values(BEFORE) | {"stage": ReadStage.CANARY} | changes
    del values["since"], values["version"]
    return changed(NAME, before, expected, at=9.0, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "since"),
    [
        ({"stage": ReadStage.SHADOW, "cap_pct": 0, "applied_pct": 0}, 9.0),
        ({"cap_pct": 50}, 9.0),
        ({"applied_pct": 0}, 9.0),
        ({"mirror_pct": 50}, 5.0),
        ({"hold": True, "hold_reason": "why"}, 5.0),
        ({}, 5.0),
    ],
)
def test_since_is_when_stage_or_shares_last_changed(changes: dict[str, Any], since: float) -> None:
    after = change(**changes)
    assert (after.since, after.version) == (since, 8)


def test_a_row_read_too_early_is_a_conflict() -> None:
    with pytest.raises(LedgerConflict, match="changed meanwhile"):
        change(expected=6)


def test_an_unknown_route_is_refused_by_name() -> None:
    with pytest.raises(LedgerError, match=NAME):
        change(before=None)


def test_a_row_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(LedgerError, match="contradicts itself"):
        change(cap_pct=0)


def test_the_audit_keeps_plain_values() -> None:
    assert row_values(None) == {}
    kept = row_values(BEFORE)
    assert (kept["stage"], kept["cap_pct"], "route" in kept) == ("canary", 10, False)
