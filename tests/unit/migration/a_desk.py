"""A ledger and flags in memory, and what a person does with them."""

from __future__ import annotations

from typing import Any

from migration.adapters.memory import MemoryFlags, MemoryLedger
from migration.core.effective import RouteState
from migration.core.flags import FlagState
from migration.core.gate import RouteEvidence
from migration.core.stages import ReadStage
from migration.ports import AuditEntry
from migration.shift import Moved, Person, advance, shift
from tests.unit.migration.migration_builders import a_route, a_slice

S = ReadStage
READY = RouteEvidence("READY", "0 of 343 differ", "h1")
CLOSE = RouteEvidence("INCONCLUSIVE", "needs 1,730 more comparisons", "h2")
ROUTE, PART = a_route(canary=(1, 10, 50, 100), soak=600.0), a_slice()
ANNA = Person("anna")
SHOULD_NOT = Person("anna", "a demo", "the report is wrong about nulls")


class Desk:
    """A ledger and flags in memory, and what a person does with them at a settable time."""

    def __init__(self, stage: ReadStage = S.LEGACY, pct: int = 0, mirror: int = 0, **changes: Any) -> None:
        self.ledger: MemoryLedger = MemoryLedger()
        self.flags = MemoryFlags(lambda: self.now)
        self.now = 1_000.0
        self.ledger.ensure([ROUTE.id])
        values: dict[str, Any] = {"cap_pct": pct, "applied_pct": pct, "mirror_pct": mirror, "hold": False}
        values |= {"hold_reason": ""} | changes
        self.ledger.change(ROUTE.id, 0, stage=stage, audit=AuditEntry("test", "start", "", 0.0), **values)

    @property
    def state(self) -> RouteState:
        return self.ledger.routes()[ROUTE.id]

    def asked(self) -> tuple[int, int]:
        intent = FlagState.from_features(self.flags.document).intent(ROUTE)
        return intent.rollout, intent.shadow

    async def shift(self, pct: int, evidence: RouteEvidence = READY, person: Person = ANNA) -> Moved:
        return await shift(
            self.ledger, self.flags, ROUTE, PART, to_pct=pct, evidence=evidence, person=person, now=self.now
        )

    async def advance(
        self, evidence: RouteEvidence = READY, person: Person = ANNA, data: str = "import", **kw: Any
    ) -> Moved:
        part = a_slice(data)
        return await advance(
            self.ledger, self.flags, ROUTE, part, evidence=evidence, person=person, now=self.now, **kw
        )


def where(state: RouteState) -> tuple[object, ...]:
    return state.stage, state.cap_pct, state.applied_pct, state.hold


class BusyLedger(MemoryLedger):
    """Somebody else changes the row right before each of the first `times` changes."""

    times = 3

    def change(self, route: str, expected_version: int, **values: Any) -> RouteState:  # type: ignore[override]
        if self.times > 0:
            self.times -= 1
            state = self.routes()[route]
            kept = {name: getattr(state, name) for name in ("stage", "cap_pct", "applied_pct", "mirror_pct")}
            entry = AuditEntry("conductor", "conduct", "", 0.0)
            super().change(
                route, state.version, **kept, hold=state.hold, hold_reason=state.hold_reason, audit=entry
            )
        return super().change(route, expected_version, **values)
