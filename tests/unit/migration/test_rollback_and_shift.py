"""Moving a route by hand, and back: what is written, in which order, and what happens when a part is away."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from migration.adapters.memory import MemoryFlags, MemoryLedger
from migration.core.effective import RouteState
from migration.core.flags import FlagState
from migration.core.gate import NO_EVIDENCE, RouteEvidence
from migration.core.stages import ReadStage
from migration.errors import FlagError, LedgerConflict, LedgerError, Refused
from migration.ports import AuditEntry
from migration.rollback import rollback
from migration.shift import GateRefused, Moved, Person, advance, shift, start_shadow, stop_shadow
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


@pytest.mark.parametrize(
    ("stage", "pct", "mirror", "to", "expected"),
    [
        (S.CANARY, 50, 25, 0, (S.SHADOW, 0, 0, True)),
        (S.CANARY, 50, 0, 0, (S.LEGACY, 0, 0, True)),
        (S.CANARY, 50, 25, 10, (S.CANARY, 10, 10, True)),
        (S.LIVE, 100, 25, 0, (S.SHADOW, 0, 0, True)),
        (S.LIVE, 100, 25, 50, (S.CANARY, 50, 50, True)),
        (S.RETIRED, 100, 0, 0, (S.LEGACY, 0, 0, True)),
        (S.SHADOW, 0, 25, 0, (S.SHADOW, 0, 0, True)),
        (S.LEGACY, 0, 0, 0, (S.LEGACY, 0, 0, True)),
    ],
)
async def test_a_rollback_lowers_ledger_and_flag_and_holds(
    stage: ReadStage, pct: int, mirror: int, to: int, expected: tuple[object, ...]
) -> None:
    desk = Desk(stage, pct, mirror)
    await desk.flags.set_rollout(ROUTE.flag, pct)
    done = await rollback(desk.ledger, desk.flags, ROUTE, to_pct=to, actor="anna", reason="errors", now=5.0)
    assert where(desk.state) == where(done.state) == expected
    assert desk.asked()[0] == to
    assert done.flag_error is None
    assert "held there" in done.sentence
    last = desk.ledger.audit(1)[0]
    assert (last.entry.actor, last.entry.action, last.entry.why) == ("anna", "rollback", "errors")
    assert desk.state.hold_reason == "rolled back by anna: errors"


async def test_a_rollback_succeeds_while_the_flag_source_is_away_and_says_so() -> None:
    desk = Desk(S.CANARY, 50, 25)
    desk.flags.broken = "the Unleash server does not answer"
    done = await rollback(desk.ledger, desk.flags, ROUTE, actor="anna", reason="errors", now=5.0)
    assert where(desk.state) == (S.SHADOW, 0, 0, True)
    assert done.flag_error == "the Unleash server does not answer"
    assert "the flag still asks for more" in done.sentence


@pytest.mark.parametrize(("pct", "to"), [(10, 50), (0, 1), (10, 101), (10, -1)])
async def test_a_rollback_is_no_way_to_raise(pct: int, to: int) -> None:
    desk = Desk(S.CANARY if pct else S.SHADOW, pct)
    with pytest.raises(Refused, match=r"shift|no share"):
        await rollback(desk.ledger, desk.flags, ROUTE, to_pct=to, actor="anna", reason="x", now=5.0)
    assert (desk.state.version, desk.flags.document["features"]) == (1, [])


async def test_a_rollback_never_raises_the_flag_above_what_was_served() -> None:
    desk = Desk(S.CANARY, 50, 25, applied_pct=1)
    await rollback(desk.ledger, desk.flags, ROUTE, to_pct=10, actor="anna", reason="x", now=5.0)
    assert desk.asked()[0] == 1


async def test_a_route_that_never_moved_has_nothing_to_roll_back() -> None:
    with pytest.raises(Refused, match="never moved"):
        await rollback(MemoryLedger(), MemoryFlags(float), ROUTE, actor="anna", reason="x", now=5.0)


class BusyLedger(MemoryLedger):
    """Somebody else changes the row right before each of the first `times` changes."""

    times = 3

    def change(self, route: str, expected_version: int, **values: Any) -> RouteState:  # type: ignore[override]
        if self.times > 0:
            self.times -= 1
            state = self.routes()[route]
            kept = {name: getattr(state, name) for name in ("stage", "cap_pct", "applied_pct", "mirror_pct")}
            entry = AuditEntry("conductor", "conduct", "", 0.0)
            super().change(route, state.version, **kept, hold=state.hold, hold_reason="", audit=entry)
        return super().change(route, expected_version, **values)


class AwayLedger(MemoryLedger):
    """A database that does not answer."""

    def routes(self) -> Any:
        raise LedgerError("the ledger does not work")

    def ensure(self, route_ids: Iterable[str]) -> None:
        raise LedgerError("the ledger does not work")


async def test_rollback_and_shift_win_against_a_busy_conductor() -> None:
    desk = Desk(S.CANARY, 50, 25)
    desk.ledger.__class__ = BusyLedger
    await rollback(desk.ledger, desk.flags, ROUTE, actor="anna", reason="errors", now=5.0)
    assert where(desk.state) == (S.SHADOW, 0, 0, True)
    desk.ledger.times = 3  # type: ignore[attr-defined]
    await desk.shift(10)
    assert where(desk.state) == (S.CANARY, 10, 10, False)


@pytest.mark.parametrize("how", ["rollback", "shift"])
async def test_a_row_that_never_rests_is_told(how: str) -> None:
    desk = Desk(S.CANARY, 50, 25)
    desk.ledger.__class__ = BusyLedger
    desk.ledger.times = 1_000  # type: ignore[attr-defined]
    roll = rollback(desk.ledger, desk.flags, ROUTE, actor="anna", reason="errors", now=5.0)
    asked, other = (desk.shift(10), roll) if how == "shift" else (roll, desk.shift(10))
    other.close()
    with pytest.raises(LedgerError, match="changed meanwhile"):
        await asked


@pytest.mark.parametrize("flags_away", [True, False])
async def test_without_a_ledger_a_rollback_lowers_at_least_the_flag_and_fails_loudly(
    flags_away: bool,
) -> None:
    flags = MemoryFlags(float)
    flags.broken = "away too" if flags_away else None
    words = "could not be lowered either: away too" if flags_away else "was lowered to 0 %, but no hold"
    with pytest.raises(LedgerError, match=words):
        await rollback(AwayLedger(), flags, ROUTE, actor="anna", reason="errors", now=5.0)
    assert len(flags.document["features"]) == (0 if flags_away else 1)


@pytest.mark.parametrize(
    ("desk", "pct", "expected", "words"),
    [
        (
            Desk(S.SHADOW, 0, 25),
            10,
            (S.CANARY, 10, 10, False),
            "moves 10 % of keys to extracted, no user moves back",
        ),
        (Desk(S.CANARY, 10, 25), 50, (S.CANARY, 50, 50, False), "moves 40 %"),
        (Desk(S.CANARY, 50, 25), 10, (S.CANARY, 10, 10, False), "moves 40 % of keys back to legacy"),
        (Desk(S.CANARY, 50, 25), 0, (S.SHADOW, 0, 0, False), "moves 50 % of keys back"),
        (Desk(S.CANARY, 50, 0), 0, (S.LEGACY, 0, 0, False), "moves 50 % of keys back"),
        (Desk(S.LIVE, 100, 25), 100, (S.LIVE, 100, 100, False), "no user moves"),
        (Desk(S.RETIRED, 100, 0), 100, (S.LIVE, 100, 100, False), "no user moves"),
        (Desk(S.CANARY, 10, 25, hold=True), 10, (S.CANARY, 10, 10, False), "no user moves"),
        (Desk(S.SHADOW, 0, 25, hold=True), 50, (S.CANARY, 50, 50, False), "moves 50 %"),
    ],
)
async def test_a_shift_writes_flag_and_ledger_and_releases_a_hold(
    desk: Desk, pct: int, expected: tuple[object, ...], words: str
) -> None:
    moved = await desk.shift(pct)
    assert where(desk.state) == where(moved.after) == expected
    assert desk.asked()[0] == pct
    assert words in moved.sentence
    assert desk.ledger.audit(1)[0].entry.actor == "anna"


async def test_a_shift_the_gate_refuses_changes_nothing() -> None:
    desk = Desk(S.SHADOW, 0, 25, hold=True, hold_reason="why")
    with pytest.raises(GateRefused, match="stays at shadow: needs 1,730 more comparisons") as caught:
        await desk.shift(10, CLOSE)
    assert caught.value.result.outcome == "wait"
    assert (desk.state.version, desk.state.hold, desk.asked()) == (1, True, (0, 0))


async def test_an_override_passes_and_is_kept_in_the_audit_for_ever() -> None:
    desk = Desk(S.SHADOW, 0, 25)
    moved = await desk.shift(10, CLOSE, SHOULD_NOT)
    entry = desk.ledger.audit(1)[0].entry
    assert moved.gate.outcome == "wait"
    assert (entry.override, entry.evidence) == ("the report is wrong about nulls", "h2")
    assert entry.why == "a demo; gate wait: needs 1,730 more comparisons"


async def test_an_override_that_was_not_needed_is_not_kept() -> None:
    desk = Desk(S.SHADOW, 0, 25)
    await desk.shift(10, READY, SHOULD_NOT)
    assert desk.ledger.audit(1)[0].entry.override == ""


@pytest.mark.parametrize("pct", [-1, 101, True])
async def test_a_share_that_is_none_is_refused(pct: int) -> None:
    with pytest.raises(Refused, match="no share"):
        await Desk(S.SHADOW).shift(pct)


async def test_a_flag_that_cannot_be_written_leaves_the_ledger_as_it_was() -> None:
    desk = Desk(S.SHADOW, 0, 25)
    desk.flags.broken = "away"
    with pytest.raises(FlagError, match="away"):
        await desk.shift(10)
    assert desk.state.version == 1


async def test_advance_walks_the_declared_ladder_with_a_soak_between() -> None:
    desk = Desk()
    seen = []
    for _ in range(7):
        moved = await desk.advance()
        seen.append((moved.after.stage, moved.after.cap_pct, *desk.asked()))
        desk.now += 600
        if moved.after.stage is S.SHADOW:
            await start_shadow(
                desk.ledger,
                desk.flags,
                ROUTE,
                PART,
                sample=25,
                evidence=NO_EVIDENCE,
                person=ANNA,
                now=desk.now,
            )
        if moved.after.stage is S.LIVE:
            break
    assert seen == [
        (S.SHADOW, 0, 0, 100),
        (S.CANARY, 1, 1, 25),
        (S.CANARY, 10, 10, 25),
        (S.CANARY, 50, 50, 25),
        (S.CANARY, 100, 100, 25),
        (S.LIVE, 100, 100, 25),
    ]


async def test_advance_waits_for_the_soak_unless_overridden() -> None:
    desk = Desk()
    await desk.advance()
    await desk.advance()
    desk.now += 599
    with pytest.raises(GateRefused, match="1 s of the 600 s soak are left") as caught:
        await desk.advance()
    assert caught.value.result.outcome == "wait"
    await desk.advance(person=SHOULD_NOT)
    assert desk.state.cap_pct == 10
    assert desk.ledger.audit(1)[0].entry.override == SHOULD_NOT.override


async def test_retiring_needs_the_confirmation_and_no_override_replaces_it() -> None:
    desk = Desk(S.LIVE, 100, 25)
    with pytest.raises(GateRefused, match="no writes"):
        await desk.advance(person=SHOULD_NOT, confirmed=True)
    with pytest.raises(GateRefused, match=r"--confirm=catalog\.show_product"):
        await desk.advance(person=SHOULD_NOT, data="none")
    await desk.advance(data="none", confirmed=True)
    assert desk.state.stage is S.RETIRED
    with pytest.raises(Refused, match="no next step"):
        await desk.advance(data="none", confirmed=True)


async def test_shadow_starts_and_stops_by_flag_and_ledger() -> None:
    desk = Desk()
    started = await start_shadow(
        desk.ledger, desk.flags, ROUTE, PART, sample=25, evidence=NO_EVIDENCE, person=ANNA, now=5.0
    )
    assert (where(desk.state), desk.state.mirror_pct, desk.asked()[1]) == ((S.SHADOW, 0, 0, False), 25, 25)
    assert "25 % of keys mirrored" in started.sentence
    await stop_shadow(desk.ledger, desk.flags, ROUTE, PART, person=ANNA, now=6.0)
    assert (where(desk.state), desk.state.mirror_pct, desk.asked()[1]) == ((S.LEGACY, 0, 0, False), 0, 0)


async def test_the_mirrored_share_of_a_canary_changes_without_moving_users() -> None:
    desk = Desk(S.CANARY, 10, 25)
    await desk.flags.set_rollout(ROUTE.flag, 10)
    await start_shadow(
        desk.ledger, desk.flags, ROUTE, PART, sample=100, evidence=NO_EVIDENCE, person=ANNA, now=5.0
    )
    assert (where(desk.state), desk.state.mirror_pct, desk.asked()) == (
        (S.CANARY, 10, 10, False),
        100,
        (10, 100),
    )
    await stop_shadow(desk.ledger, desk.flags, ROUTE, PART, person=ANNA, now=6.0)
    assert (where(desk.state), desk.state.mirror_pct) == ((S.CANARY, 10, 10, False), 0)


@pytest.mark.parametrize(("sample", "mirror"), [(0, True), (101, True), (25, False)])
async def test_a_shadow_that_may_not_start_is_refused(sample: int, mirror: bool) -> None:
    desk, route = Desk(), a_route(mirror=mirror)
    with pytest.raises(Refused, match=r"share to mirror|not mirrored"):
        await start_shadow(
            desk.ledger, desk.flags, route, PART, sample=sample, evidence=NO_EVIDENCE, person=ANNA, now=5.0
        )
    assert desk.state.version == 1


def test_conflicts_are_ledger_errors() -> None:
    assert issubclass(LedgerConflict, LedgerError)
