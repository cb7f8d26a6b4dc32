"""Edits of the flags' JSON keep what they do not change."""

from __future__ import annotations

import pytest

from migration.core.flag_edits import create_missing, empty_document, feature, set_kill, set_share
from migration.core.flags import KILL_FLAG, FlagState
from migration.errors import FlagError
from tests.unit.migration.migration_builders import FLAG, SHADOW_FLAG, a_feature, a_route, a_strategy


def test_setting_a_share_creates_the_flag_as_it_should_be() -> None:
    document = set_share(empty_document(), FLAG, 10)
    assert document["features"] == [feature(FLAG, 10)]
    intent = FlagState.from_features(document).intent(a_route())
    assert (intent.rollout, intent.known) == (10, True)


@pytest.mark.parametrize(
    "strategies",
    [
        [],
        None,
        [a_strategy("33.5")],
        [a_strategy(stickiness="random")],
        [a_strategy(), a_strategy()],
        [{"name": "x"}],
    ],
)
def test_setting_a_share_cures_a_flag_that_could_not_be_read(strategies: object) -> None:
    document = set_share({"features": [a_feature(strategies=strategies, enabled=False)]}, FLAG, 25)
    intent = FlagState.from_features(document).intent(a_route())
    assert (intent.rollout, intent.known) == (25, True)


def test_setting_a_share_keeps_constraints_other_keys_and_other_flags() -> None:
    old = a_feature(strategies=[a_strategy(constraints=[{"contextName": "region"}])], description="ours")
    other = a_feature("theirs")
    document = set_share({"features": [other, old], "version": 2, "segments": []}, FLAG, 50)
    assert document["features"][0] == other
    assert document["features"][1]["description"] == "ours"
    assert document["features"][1]["strategies"][0]["constraints"] == [{"contextName": "region"}]
    assert (document["version"], document["segments"]) == (2, [])


@pytest.mark.parametrize("pct", [-1, 101, 1000])
def test_a_share_beyond_everybody_is_refused(pct: int) -> None:
    with pytest.raises(FlagError, match=str(pct)):
        set_share(empty_document(), FLAG, pct)


def test_only_missing_flags_are_created_each_once_at_nobody() -> None:
    document, created = create_missing({"features": [a_feature()]}, [FLAG, SHADOW_FLAG, SHADOW_FLAG])
    assert created == (SHADOW_FLAG,)
    assert [found["name"] for found in document["features"]] == [FLAG, SHADOW_FLAG]
    assert FlagState.from_features(document).intent(a_route()).shadow == 0


@pytest.mark.parametrize("on", [True, False])
def test_the_kill_switch_is_switched(on: bool) -> None:
    document = set_kill(set_kill(empty_document(), not on), on)
    assert [found["name"] for found in document["features"]] == [KILL_FLAG]
    assert FlagState.from_features(document).killed is on
