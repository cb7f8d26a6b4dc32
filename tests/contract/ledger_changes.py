"""Changes of a ledger, with what the case is about changed."""

from __future__ import annotations

from typing import Any

from migration.core.effective import RouteState
from migration.core.stages import ReadStage
from migration.ports import AuditEntry, Ledger

A, B = "catalog.show_product", "catalog.list_products"


def entry(why: str = "because", at: float = 5.0, **changes: Any) -> AuditEntry:
    return AuditEntry(**({"actor": "anna", "action": "shift", "why": why, "at": at} | changes))


def change(
    ledger: Ledger, route: str = A, expected: int | None = None, at: float = 5.0, **changes: Any
) -> RouteState:
    values: dict[str, Any] = {
        "stage": ReadStage.CANARY,
        "cap_pct": 10,
        "applied_pct": 10,
        "mirror_pct": 25,
        "hold": False,
        "hold_reason": "",
        "audit": entry(at=at),
    }
    version = ledger.routes()[route].version if expected is None else expected
    return ledger.change(route, version, **(values | changes))
