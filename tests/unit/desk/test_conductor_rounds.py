"""The conductor's loop over in-memory stores: what it writes, what it leaves alone, what it survives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType

import pytest

from desk.conductor import LEASE, Conductor, SaidOnce, asks_evidence, told
from migration.adapters.memory import MemoryFlags, MemoryLedger
from migration.core.conduct import Change
from migration.core.effective import RouteState
from migration.core.flags import Intent, plan_flags
from migration.core.gate import NO_EVIDENCE, RouteEvidence
from migration.core.plan import (
    EvidenceSettings,
    FacadeSettings,
    FlagSettings,
    KeySource,
    LedgerSettings,
    Legacy,
    Plan,
    Route,
    Service,
    Slice,
)
from migration.core.stages import ReadStage
from migration.core.template import Template
from migration.errors import LedgerError

READY = RouteEvidence("READY", "READY: 343 trials, 0 mismatched", "abc")
NOT_READY = RouteEvidence("NOT_READY", "hold: 2 % ≥ 1 %", "def")


def a_plan() -> Plan:
    one = Route("catalog", "show", "GET", Template.parse("/p/{id:int}"), "catalog", mirror=True, soak=10.0)
    return Plan(
        path="plan.toml",
        hash="1",
        legacy=Legacy("http://127.0.0.1:1"),
        services=MappingProxyType({"catalog": Service("catalog", "http://127.0.0.1:2")}),
        key=KeySource(),
        flags=FlagSettings("file", "flags.json"),
        ledger=LedgerSettings("sqlite://"),
        evidence=EvidenceSettings("sqlite://"),
        facade=FacadeSettings(),
        slices=MappingProxyType({"catalog": Slice("catalog", "team", "catalog", "import", (one,))}),
    )


@dataclass
class Stage:
    """A conductor with its world: a clock that stands, a ledger and flags in memory."""

    now: float = 1000.0
    evidence: RouteEvidence = NO_EVIDENCE
    ledger_error: str | None = None
    lines: list[str] = field(default_factory=list)
    opened: int = 0

    def __post_init__(self) -> None:
        self.plan = a_plan()
        self.ledger = MemoryLedger()
        self.flags = MemoryFlags(lambda: self.now)
        self.asked: list[str] = []
        self.one = self.another()
        asyncio.run(self.flags.ensure(plan_flags(self.plan)))

    def another(self) -> Conductor:
        def read(plan: Plan, route_id: str, now: float) -> RouteEvidence:
            self.asked.append(route_id)
            return self.evidence

        return Conductor(self.plan, self._open, self.flags, read, lambda: self.now, self.lines.append)

    def _open(self) -> MemoryLedger:
        self.opened += 1
        if self.ledger_error:
            raise LedgerError(self.ledger_error)
        return self.ledger

    def flag(self, pct: int, *, shadow: bool = False) -> None:
        route = self.plan.routes["catalog.show"]
        asyncio.run(self.flags.set_rollout(route.shadow_flag if shadow else route.flag, pct))

    def round(self, by: Conductor | None = None, after: float = 3.0) -> RouteState | None:
        self.now += after
        asyncio.run((by or self.one).once())
        return self.ledger.routes().get("catalog.show")


def where(state: RouteState | None) -> tuple[str, int, int, int]:
    assert state is not None
    return state.stage.value, state.cap_pct, state.applied_pct, state.mirror_pct


def test_a_shadow_flag_brings_a_route_to_shadow_in_one_round():
    stage = Stage()
    stage.flag(100, shadow=True)
    assert where(stage.round()) == ("shadow", 0, 0, 100)
    assert stage.lines == [
        "catalog.show: legacy → shadow, compared 0 → 100 %: data = 'import' may be compared"
    ]


def test_a_rollout_waits_for_the_verdict_and_is_served_once_it_is_ready():
    stage = Stage()
    stage.flag(100, shadow=True)
    stage.round()
    stage.flag(10)
    assert where(stage.round()) == ("shadow", 0, 0, 100)
    stage.evidence = NOT_READY
    assert where(stage.round()) == ("shadow", 0, 0, 100)
    stage.evidence = READY
    assert where(stage.round()) == ("canary", 10, 10, 100)
    assert stage.ledger.audit(1)[0].entry.evidence == "abc"


def test_a_lowered_flag_is_followed_without_asking_for_evidence():
    stage = Stage(evidence=READY)
    stage.flag(100, shadow=True)
    stage.round()
    stage.flag(50)
    stage.round()
    stage.asked.clear()
    stage.flag(10)
    assert where(stage.round()) == ("canary", 10, 10, 100)
    assert stage.asked == []


def test_a_held_route_is_not_raised_by_its_flag():
    stage = Stage(evidence=READY)
    stage.flag(100, shadow=True)
    stage.round()
    row = stage.ledger.routes()["catalog.show"]
    from migration.ports import AuditEntry

    stage.ledger.change(
        row.route, row.version, stage=row.stage, cap_pct=0, applied_pct=0, mirror_pct=100, hold=True,
        hold_reason="enough", audit=AuditEntry("anna", "rollback", "enough", stage.now),
    )  # fmt: skip
    stage.flag(50)
    assert where(stage.round()) == ("shadow", 0, 0, 100)


def test_flags_that_are_away_change_nothing_and_are_told_once():
    stage = Stage()
    stage.flag(100, shadow=True)
    stage.round()
    stage.flags.broken = "gone"
    for _ in range(3):
        assert where(stage.round()) == ("shadow", 0, 0, 100)
    stage.flags.broken = None
    stage.round()
    about = [line for line in stage.lines if line.startswith("flags:")]
    assert len(about) == 2
    assert "gone" in about[0]
    assert about[1] == "flags: all right again"


def test_a_conductor_that_never_saw_the_flags_changes_nothing():
    stage = Stage()
    stage.flags.broken = "away from the start"
    state = stage.round()
    assert state is not None
    assert where(state) == ("legacy", 0, 0, 0)


def test_a_ledger_that_is_away_is_told_once_and_opened_again():
    stage = Stage(ledger_error="locked")
    stage.flag(100, shadow=True)
    stage.round()
    stage.round()
    assert stage.lines == ["ledger: locked; what is served stays as it is"]
    stage.ledger_error = None
    assert where(stage.round()) == ("shadow", 0, 0, 100)
    assert "ledger: all right again" in stage.lines
    assert stage.opened == 3


def test_only_the_leader_writes_and_another_takes_over_when_it_is_gone():
    stage = Stage()
    assert stage.ledger.lease(LEASE, "somebody else", 60.0, stage.now)
    stage.flag(100, shadow=True)
    state = stage.round()
    assert state is not None
    assert where(state) == ("legacy", 0, 0, 0)
    assert stage.lines == ["lease: another conductor leads; this one stands by"]
    stage.now += 61
    assert where(stage.round()) == ("shadow", 0, 0, 100)


def test_the_lease_is_given_back_at_the_end():
    stage = Stage()
    stage.round()
    stage.one.close()
    assert stage.ledger.lease(LEASE, "the next", 5.0, stage.now)


@pytest.mark.parametrize("rounds", [1, 5])
def test_a_conductor_that_is_killed_at_any_time_is_replaced_without_a_trace(rounds):
    stage = Stage(evidence=READY)
    stage.flag(100, shadow=True)
    stage.flag(10)
    for _ in range(rounds):
        stage.round(stage.another())  # none of them is ever closed: each was killed
    stage.round(stage.another())
    assert where(stage.round(stage.another())) == ("canary", 10, 10, 100)
    assert len(stage.ledger.audit(100)) == 2


@pytest.mark.parametrize(
    ("state", "intent", "asked"),
    [
        (RouteState("r"), Intent(rollout=10, known=True), True),
        (RouteState("r"), Intent(rollout=10, known=False), False),
        (RouteState("r", hold=True), Intent(rollout=10, known=True), False),
        (RouteState("r", ReadStage.CANARY, 10, 10), Intent(rollout=10, known=True), False),
        (RouteState("r", ReadStage.CANARY, 100, 100), Intent(rollout=100, known=True), True),
        (RouteState("r", ReadStage.LIVE, 100, 100), Intent(rollout=100, known=True), False),
    ],
)
def test_evidence_is_read_only_where_a_step_could_need_it(state, intent, asked):
    assert asks_evidence(state, intent) is asked


def test_a_change_is_told_in_a_few_words():
    change = Change(ReadStage.CANARY, 10, 10, 50, "why")
    assert told(RouteState("r"), change) == (
        "legacy → canary, proven 0 → 10 %, served 0 → 10 %, compared 0 → 50 %"
    )


def test_a_condition_is_told_when_it_begins_changes_and_ends():
    lines: list[str] = []
    say: Callable[[str, str | None], None] = SaidOnce(lines.append).say
    for what in (None, "a", "a", "b", None, None):
        say("x", what)
    assert lines == ["x: a", "x: b", "x: all right again"]
