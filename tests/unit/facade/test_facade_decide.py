"""Deciding: sides, fallbacks, taps, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facade.core.decide import decide
from facade.core.http1.target import Target, parse_target
from facade.core.key import Key
from facade.errors import Refused
from migration.core.bucket import bucket
from migration.core.effective import RouteState, answering_side
from migration.core.flags import Intent
from migration.core.plan import Side
from migration.core.stages import ReadStage
from tests.unit.facade.facade_builders import SHOW, a_plan, a_route, a_snapshot, at, wants

DAY = "2026-03-01"
KEY = Key("k", signed=True)
LEGACY, EXTRACTED = Side.LEGACY, Side.EXTRACTED


@dataclass(frozen=True)
class _Asked:
    """What deciding asks of a request."""

    method: str
    target: Target
    key: Key | None
    safe: bool
    shadow: object = None
    insider: bool = False
    upgrade: bool = False
    range_side: Side | None = None


def _asked(target: str = "/p/1", method: str = "GET", key: Key | None = KEY, **changes: object) -> _Asked:
    values = {"safe": method in ("GET", "HEAD"), **changes}
    return _Asked(method, parse_target(method, target.encode()), key, **values)  # type: ignore[arg-type]


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
    targeted = {SHOW: Intent(50, known=True, targeted=True)}
    canary = a_snapshot(plan, at(ReadStage.CANARY, 100), targeted, evaluate)
    assert decide(canary, _asked(), DAY).side is LEGACY
    assert asked == [(f"strangler.{SHOW}", "k")]
    decide(canary, _asked(key=None), DAY)
    decide(a_snapshot(plan, at(ReadStage.SHADOW), targeted, evaluate), _asked(), DAY)
    decide(a_snapshot(plan, at(ReadStage.CANARY, 100), wants(50), evaluate), _asked(), DAY)
    decide(a_snapshot(plan, at(ReadStage.CANARY, 100), {}, evaluate), _asked(), DAY)
    assert len(asked) == 1


INTENTS = st.none() | st.builds(
    Intent,
    rollout=st.integers(0, 100),
    known=st.booleans(),
    killed=st.booleans(),
    targeted=st.booleans(),
)
STATES = st.sampled_from([
    *(RouteState(SHOW, stage) for stage in (ReadStage.LEGACY, ReadStage.SHADOW)),
    *(RouteState(SHOW, ReadStage.CANARY, cap, applied) for cap in (1, 50, 100) for applied in (0, 1)),
    *(RouteState(SHOW, ReadStage.LIVE, 100, applied) for applied in (0, 40, 100)),
    RouteState(SHOW, ReadStage.RETIRED, 100, 100),
])  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(STATES, INTENTS, st.none() | st.integers(0, 200).map(str), st.booleans())
def test_what_is_worked_out_ahead_is_what_the_rules_say(
    state: RouteState, intent: Intent | None, key: str | None, engine: bool
) -> None:
    plan = a_plan()
    route = plan.routes[SHOW]
    intents = {SHOW: intent} if intent is not None else {}
    now = a_snapshot(plan, {SHOW: state}, intents, lambda _flag, _key: engine)
    decision = decide(now, _asked(key=Key(key, signed=False) if key is not None else None), DAY)
    flag_true = None
    if key is not None and intent is not None and intent.known:
        flag_true = engine if intent.targeted else bucket(route.flag, key) <= intent.rollout
    assert (decision.side, decision.why) == answering_side(route, state, intent, flag_true, key)


def test_a_range_of_legacys_bytes_sticks_to_legacy() -> None:
    now = a_snapshot(a_plan(), at(ReadStage.CANARY, 100), wants(100))
    assert decide(now, _asked(range_side=LEGACY), DAY).side is LEGACY
    assert decide(now, _asked(range_side=EXTRACTED), DAY).side is EXTRACTED
    retired = a_snapshot(a_plan(), at(ReadStage.RETIRED, 100))
    assert decide(retired, _asked(range_side=LEGACY), DAY).side is EXTRACTED


def _key(share: int, *, within: bool) -> Key:
    """A key whose exchanges are mirrored today, or are not."""
    buckets = ((f"k{n}", bucket(f"{DAY}:{SHOW}", f"k{n}")) for n in range(999))
    return next(Key(text, True) for text, number in buckets if (number <= share) is within)


TAPS = [
    ("legacy answers, all mirrored", ReadStage.SHADOW, 100, False, {}, (True, None)),
    ("no key, all mirrored", ReadStage.SHADOW, 100, False, {"key": None}, (True, None)),
    ("no key, some mirrored", ReadStage.SHADOW, 50, False, {"key": None}, (False, "no_key")),
    (
        "outside the share",
        ReadStage.SHADOW,
        50,
        False,
        {"key": _key(50, within=False)},
        (False, "not_sampled"),
    ),
    ("within the share", ReadStage.SHADOW, 50, False, {"key": _key(50, within=True)}, (True, None)),
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


def test_a_view_is_made_once_and_knows_both_backends() -> None:
    now = a_snapshot(a_plan(a_route("list", "GET /p"), a_route("show", "GET /p/{id:int}")))
    assert [name for name, _ in now.views.all()] == ["catalog.list", SHOW]
    view = now.views[SHOW]
    assert now.views[SHOW] is view
    assert view.state.stage is ReadStage.LEGACY
    named = [now.upstream(view, LEGACY).name, now.upstream(view, EXTRACTED).name]
    assert named == ["legacy", "catalog"]
    assert now.upstream(None, EXTRACTED) is now.legacy


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
