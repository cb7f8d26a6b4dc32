"""Moving a route by hand: the gate, the flag, the ledger, and the words about it."""

from __future__ import annotations

import pytest

from migration.core.gate import NO_EVIDENCE
from migration.errors import FlagError, LedgerConflict, LedgerError, Refused
from migration.shift import GateRefused, start_shadow, stop_shadow
from tests.unit.migration.a_desk import (
    ANNA,
    CLOSE,
    PART,
    READY,
    ROUTE,
    SHOULD_NOT,
    Desk,
    S,
    where,
)
from tests.unit.migration.migration_builders import a_route


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
        (Desk(S.CANARY, 50, 25), 100, (S.CANARY, 100, 100, False), "moves 50 %"),
        (Desk(S.LIVE, 100, 25), 50, (S.CANARY, 50, 50, False), "moves 50 % of keys back to legacy"),
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


@pytest.mark.parametrize("mirror", [0, 40])
async def test_comparing_again_leaves_a_hold_because_it_says_nothing_about_users(mirror: int) -> None:
    desk = Desk(S.SHADOW, 0, 25, hold=True, hold_reason="rolled back by anna")
    if mirror:
        await start_shadow(
            desk.ledger, desk.flags, ROUTE, PART, sample=mirror, evidence=NO_EVIDENCE, person=ANNA, now=1.0
        )
    else:
        await stop_shadow(desk.ledger, desk.flags, ROUTE, PART, person=ANNA, now=1.0)
    assert (desk.state.mirror_pct, desk.state.hold, desk.state.hold_reason) == (
        mirror,
        True,
        "rolled back by anna",
    )


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
