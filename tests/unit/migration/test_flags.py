"""What flags ask for, and each trap that makes one mean something else than it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from migration.adapters.flag_engine_unleash import UnleashEvaluator
from migration.core.flags import KILL_FLAG, FlagState, plan_flags
from migration.ports import FlagContext
from tests.unit.migration.migration_builders import (
    FLAG,
    SHADOW_FLAG,
    a_feature,
    a_plan,
    a_route,
    a_strategy,
    flags,
)


def test_the_two_shares_of_a_route_are_read() -> None:
    intent = flags(a_feature(rollout="10"), a_feature(SHADOW_FLAG, "25"), at=7.0).intent(a_route())
    assert (intent.rollout, intent.known, intent.shadow, intent.shadow_known) == (10, True, 25, True)
    assert (intent.killed, intent.problem, intent.targeted, intent.seen_at) == (False, None, False, 7.0)


def test_a_flag_that_is_off_asks_for_nothing() -> None:
    intent = flags(a_feature(enabled=False, rollout="50")).intent(a_route())
    assert (intent.rollout, intent.known) == (0, True)


def test_a_missing_flag_is_unknown_and_never_off() -> None:
    intent = flags().intent(a_route())
    assert not intent.known
    assert not intent.shadow_known
    assert intent.problem is not None
    assert "does not exist" in intent.problem


@pytest.mark.parametrize(
    ("feature", "word"),
    [
        pytest.param(a_feature(rollout="33.5"), "33.5", id="a fraction"),
        pytest.param(a_feature(rollout="150"), "150", id="more than everybody"),
        pytest.param(a_feature(rollout="-1"), "-1", id="less than nobody"),
        pytest.param(a_feature(rollout="abc"), "abc", id="no number"),
        pytest.param(a_feature(rollout=""), "''", id="nothing"),
        pytest.param(a_feature(rollout=None), "None", id="null"),
        pytest.param(a_feature(rollout=50), "50", id="a number where the engine wants a text"),
        pytest.param(a_feature(rollout="٥٠"), "٥٠", id="digits of another script"),
        pytest.param(a_feature(rollout="x" * 999), "…", id="a long text is cut"),
        pytest.param(a_feature(strategies=[]), "no strategy", id="no strategy is everybody"),
        pytest.param(a_feature(strategies=None), "no strategy", id="no list of strategies"),
        pytest.param(a_feature(strategies=["x"]), "no object", id="a strategy that is a text"),
        pytest.param(a_feature(strategies=[a_strategy(disabled=True)]), "disabled", id="all are disabled"),
        pytest.param(
            a_feature(strategies=[a_strategy(), a_strategy("50")]), "2 strategies", id="two strategies"
        ),
        pytest.param(a_feature(strategies=[{"name": "default"}]), "'default'", id="the default strategy"),
        pytest.param(
            a_feature(strategies=[{"name": "flexibleRollout"}]), "None is no whole share", id="no parameters"
        ),
        pytest.param(
            a_feature(strategies=[a_strategy(stickiness="default")]), "default falls to random", id="default"
        ),
        pytest.param(
            a_feature(strategies=[a_strategy(stickiness="random")]), "'random'", id="random stickiness"
        ),
        pytest.param(a_feature(strategies=[a_strategy(stickiness="sessionId")]), "'sessionId'", id="session"),
        pytest.param(a_feature(strategies=[a_strategy("1", groupId="another")]), "'another'", id="at 1 %"),
        pytest.param(a_feature(strategies=[a_strategy(groupId="another")]), "'another'", id="another group"),
        pytest.param(a_feature(dependencies=[{"feature": "parent"}]), "another flag", id="a parent flag"),
    ],
)
def test_a_flag_that_does_not_mean_what_it_says_is_a_problem_and_its_share_unknown(
    feature: dict[str, Any], word: str, tmp_path: Path
) -> None:
    state = flags(feature, a_feature(SHADOW_FLAG, "25"))
    intent = state.intent(a_route())
    assert not intent.known
    assert intent.problem is not None
    assert word in intent.problem
    assert (intent.shadow, intent.shadow_known) == (25, True)
    lints = state.lints(a_plan(tmp_path))
    assert any(word in lint.what and lint.flag == FLAG and lint.cure for lint in lints)


@pytest.mark.parametrize(
    "feature", [a_feature(strategies=[a_strategy("0", stickiness="random", groupId="x")])]
)
def test_zero_is_nobody_in_any_cohort_so_lowering_always_acts(
    feature: dict[str, Any], tmp_path: Path
) -> None:
    state = flags(feature, a_feature(SHADOW_FLAG, "0"))
    assert (state.intent(a_route()).rollout, state.intent(a_route()).known) == (0, True)
    assert len(state.lints(a_plan(tmp_path))) == 2


@pytest.mark.parametrize(
    ("feature", "word", "targeted"),
    [
        (a_feature(variants=[{"name": "a"}]), "variants", False),
        (a_feature(strategies=[a_strategy(variants=[{"name": "a"}])]), "variants", False),
        (a_feature(strategies=[a_strategy(constraints=[{"contextName": "region"}])]), "constraints", True),
        (a_feature(strategies=[a_strategy(segments=[1])]), "constraints or segments", True),
    ],
)
def test_what_keeps_the_share_readable_is_only_told(
    feature: dict[str, Any], word: str, targeted: bool, tmp_path: Path
) -> None:
    state = flags(feature, a_feature(SHADOW_FLAG, "0"))
    intent = state.intent(a_route())
    assert (intent.rollout, intent.known, intent.targeted) == (10, True, targeted)
    assert [word in lint.what for lint in state.lints(a_plan(tmp_path))] == [True]


def test_the_cohort_of_a_shadow_flag_does_not_matter(tmp_path: Path) -> None:
    shadow = a_feature(SHADOW_FLAG, strategies=[a_strategy("25", stickiness="default", groupId="x")])
    state = flags(a_feature(), shadow)
    assert (state.intent(a_route()).shadow, state.lints(a_plan(tmp_path))) == (25, ())


def test_flags_of_ours_that_nobody_reads_are_named_with_the_nearest_one(tmp_path: Path) -> None:
    names = (
        "strangler.catalog.show_prodct",
        "strangler.zzz",
        "theirs.flag",
        KILL_FLAG,
        "strangler.catalog.writes",
    )
    state = flags(a_feature(), a_feature(SHADOW_FLAG), *(a_feature(name) for name in names))
    found = {lint.flag: lint.what for lint in state.lints(a_plan(tmp_path))}
    assert set(found) == {"strangler.catalog.show_prodct", "strangler.zzz"}
    assert f"did you mean {FLAG}?" in found["strangler.catalog.show_prodct"]
    assert "no route" in found["strangler.zzz"]


@pytest.mark.parametrize(
    ("feature", "killed"),
    [
        (a_feature(KILL_FLAG, "100"), True),
        (a_feature(KILL_FLAG, "abc"), True),
        (a_feature(KILL_FLAG, strategies=[]), True),
        (a_feature(KILL_FLAG, "0"), False),
        (a_feature(KILL_FLAG, "100", enabled=False), False),
        (a_feature(KILL_FLAG, "100", enabled="yes"), False),
        (a_feature("strangler.other", "100"), False),
    ],
)
def test_the_kill_switch_kills_in_doubt(feature: dict[str, Any], killed: bool) -> None:
    assert flags(feature).intent(a_route()).killed is killed


def test_of_stale_flags_only_the_kill_switch_counts() -> None:
    state = flags(a_feature(rollout="50"), a_feature(SHADOW_FLAG, "25"), a_feature(KILL_FLAG, "100"))
    intent = state.intent(a_route(), stale=True)
    assert (intent.known, intent.shadow_known, intent.killed) == (False, False, True)
    assert intent.problem == "the flags are stale"


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"features": {}},
        {"features": ["x"]},
        {"features": [{"enabled": True}]},
        {"features": [{"name": "a"}] * 2},
    ],
)
def test_what_is_no_set_of_flags_is_refused(document: Any) -> None:
    with pytest.raises(ValueError, match="flags"):
        FlagState.from_features(document)


def test_the_hash_tells_content_and_nothing_else() -> None:
    one = FlagState.from_features({"version": 2, "features": []}, 1.0)
    other_order = FlagState.from_features({"features": [], "version": 2}, 2.0)
    assert one.hash == other_order.hash
    assert one.hash != flags(a_feature()).hash


def test_the_same_flags_fetched_later_keep_what_was_computed() -> None:
    state = flags(a_feature(KILL_FLAG, "100"), at=1.0)
    assert (state.killed, state.at(2.0).fetched_at, state.at(2.0).killed) == (True, 2.0, True)
    assert state.at(2.0).hash == state.hash
    assert "hash" in state.at(3.0).__dict__


def test_a_plan_has_two_flags_per_route(tmp_path: Path) -> None:
    assert plan_flags(a_plan(tmp_path)) == (FLAG, SHADOW_FLAG)


@pytest.mark.parametrize("rollout", ["33.5", "150", "abc", ""])
def test_the_engine_itself_takes_such_a_rollout_for_nobody(rollout: str) -> None:
    """The trap as it was measured: if the engine ever changes, this says so."""
    engine = UnleashEvaluator()
    engine.take(flags(a_feature(rollout=rollout)))
    assert not any(engine.enabled(FLAG, FlagContext(f"key-{number}")) for number in range(200))


def test_the_engine_itself_takes_a_flag_without_strategies_for_everybody() -> None:
    engine = UnleashEvaluator()
    engine.take(flags(a_feature(strategies=[])))
    assert engine.enabled(FLAG, FlagContext(None))
