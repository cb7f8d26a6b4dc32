"""Deciding: sides, fallbacks, taps, and what is refused."""

from __future__ import annotations

import pytest

from facade.core.decide import Asked, decide
from facade.core.key import Key
from facade.core.target import parse_target
from facade.errors import Refused
from migration.core.bucket import bucket
from migration.core.plan import Side
from migration.core.stages import ReadStage
from tests.unit.facade.facade_builders import SHOW, a_plan, a_route, a_snapshot, at, wants

DAY = "2026-03-01"
KEY = Key("k", signed=True)
LEGACY, EXTRACTED = Side.LEGACY, Side.EXTRACTED


def _asked(target: str = "/p/1", method: str = "GET", key: Key | None = KEY, **changes: object) -> Asked:
    values = {"safe": method in ("GET", "HEAD"), **changes}
    return Asked(method, parse_target(method, target.encode()), key, **values)  # type: ignore[arg-type]


def test_what_no_route_is_declared_for_is_legacys() -> None:
    decision = decide(a_snapshot(a_plan()), _asked("/other"), DAY)
    assert (decision.side, decision.route, decision.why) == (LEGACY, None, "no route")
    assert (decision.fallback, decision.tap, decision.untapped) == (False, False, None)


SIDES = [
    (ReadStage.LEGACY, 0, 100, LEGACY, False),
    (ReadStage.SHADOW, 0, 100, LEGACY, False),
    (ReadStage.CANARY, 100, 100, EXTRACTED, True),
    (ReadStage.LIVE, 100, 100, EXTRACTED, True),
    (ReadStage.RETIRED, 100, 0, EXTRACTED, False),
]


@pytest.mark.parametrize(("stage", "cap", "rollout", "side", "fallback"), SIDES)
def test_each_stage_has_its_side_and_its_fallback(
    stage: ReadStage, cap: int, rollout: int, side: Side, fallback: bool
) -> None:
    now = a_snapshot(a_plan(), at(stage, cap), wants(rollout))
    decision = decide(now, _asked(), DAY)
    assert (decision.side, decision.fallback) == (side, fallback)
    assert decision.two_sides is (stage is ReadStage.CANARY)


def test_an_unsafe_request_has_no_fallback() -> None:
    now = a_snapshot(a_plan(), at(ReadStage.LIVE, 100), wants(100))
    assert decide(now, _asked(safe=False), DAY).fallback is False


def test_the_flag_is_asked_once_and_only_where_it_matters() -> None:
    asked: list[tuple[str, str]] = []

    def evaluate(flag: str, key: str) -> bool:
        asked.append((flag, key))
        return False

    plan = a_plan()
    canary = a_snapshot(plan, at(ReadStage.CANARY, 100), wants(50), evaluate)
    assert decide(canary, _asked(), DAY).side is LEGACY
    assert asked == [(f"strangler.{SHOW}", "k")]
    decide(canary, _asked(key=None), DAY)
    decide(a_snapshot(plan, at(ReadStage.SHADOW), wants(50), evaluate), _asked(), DAY)
    decide(a_snapshot(plan, at(ReadStage.CANARY, 100), {}, evaluate), _asked(), DAY)
    assert len(asked) == 1


def test_a_range_of_legacys_bytes_sticks_to_legacy() -> None:
    now = a_snapshot(a_plan(), at(ReadStage.CANARY, 100), wants(100))
    assert decide(now, _asked(range_side=LEGACY), DAY).side is LEGACY
    assert decide(now, _asked(range_side=EXTRACTED), DAY).side is EXTRACTED
    retired = a_snapshot(a_plan(), at(ReadStage.RETIRED, 100))
    assert decide(retired, _asked(range_side=LEGACY), DAY).side is EXTRACTED


def _outside(share: int) -> Key:
    """A key whose exchanges are not mirrored today."""
    return next(Key(f"k{n}", True) for n in range(999) if bucket(f"{DAY}:{SHOW}", f"k{n}") > share)


TAPS = [
    ("legacy answers, all mirrored", ReadStage.SHADOW, 100, False, {}, (True, None)),
    ("no key, all mirrored", ReadStage.SHADOW, 100, False, {"key": None}, (True, None)),
    ("no key, some mirrored", ReadStage.SHADOW, 50, False, {"key": None}, (False, "no_key")),
    ("outside the share", ReadStage.SHADOW, 50, False, {"key": _outside(50)}, (False, "not_sampled")),
    ("nothing mirrored", ReadStage.SHADOW, 0, False, {}, (False, None)),
    ("our own candidate call", ReadStage.SHADOW, 100, False, {"shadow": True}, (False, None)),
    ("an unsafe method", ReadStage.SHADOW, 100, False, {"safe": False}, (False, "method")),
    ("an upgrade", ReadStage.SHADOW, 100, False, {"upgrade": True}, (False, "upgrade")),
    ("legacy may not be asked again", ReadStage.LIVE, 100, False, {}, (True, "legacy_has_effects")),
    ("legacy may be asked again", ReadStage.LIVE, 100, True, {}, (True, None)),
    ("stage legacy", ReadStage.LEGACY, 100, False, {}, (False, None)),
]


@pytest.mark.parametrize(("case", "stage", "share", "effects_free", "changes", "expected"), TAPS)
def test_an_exchange_is_tapped_or_the_reason_is_known(
    case: str, stage: ReadStage, share: int, effects_free: bool, changes: dict[str, object],
    expected: tuple[bool, str | None],
) -> None:  # fmt: skip
    plan = a_plan(a_route("show", "GET /p/{id:int}", effects_free=effects_free))
    cap = 100 if stage is ReadStage.LIVE else 0
    now = a_snapshot(plan, at(stage, cap, share), wants(cap, share))
    decision = decide(now, _asked(**changes), DAY)  # type: ignore[arg-type]
    assert (decision.tap, decision.untapped) == expected, case


def test_slashes_that_mean_another_route_are_refused_once_either_is_past_legacy() -> None:
    plan = a_plan(a_route("list", "GET /p"), a_route("show", "GET /p/{id:int}"))
    shadow = a_snapshot(plan, at(ReadStage.SHADOW, route="catalog.list"))
    for target in ("/p/", "//p", "/p//"):
        with pytest.raises(Refused) as caught:
            decide(shadow, _asked(target), DAY)
        assert caught.value.problem.code == "ambiguous_slashes"
        assert decide(a_snapshot(plan), _asked(target), DAY).route is None
    assert decide(shadow, _asked("/q//"), DAY).route is None
    assert decide(shadow, _asked("/p//1"), DAY).route is None


def test_an_internal_route_is_not_there_for_outsiders() -> None:
    now = a_snapshot(a_plan(a_route("staff", "GET /staff", visibility="internal")))
    with pytest.raises(Refused) as caught:
        decide(now, _asked("/staff"), DAY)
    assert caught.value.problem.status == 404
    assert decide(now, _asked("/staff", insider=True), DAY).side is LEGACY


def test_a_candidate_call_may_change_nothing() -> None:
    with pytest.raises(Refused) as caught:
        decide(a_snapshot(a_plan()), _asked("/orders", "POST", shadow=True), DAY)
    assert caught.value.problem.status == 403
