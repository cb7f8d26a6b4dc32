"""Our bucket and Unleash's engine agree on every key, whatever flag, key and share."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from migration.adapters.flag_engine_unleash import UnleashEvaluator
from migration.core.bucket import bucket
from migration.core.effective import answering_side, is_by_bucket
from migration.core.flags import FlagState
from migration.core.plan import Side
from migration.core.stages import ReadStage
from migration.errors import FlagError
from migration.ports import FlagContext
from tests.unit.migration.migration_builders import FLAG, a_feature, a_route, a_state, a_strategy, flags

SHARES = (0, 1, 10, 33, 50, 99, 100)
REGION = {"contextName": "region", "operator": "IN", "values": ["eu"], "inverted": False}
KEYS = st.text(min_size=1, max_size=40)


def test_ten_thousand_flags_keys_and_shares_fall_as_in_the_engine() -> None:
    disagreements, asked = [], 0
    for number in range(20):
        flag = f"strangler.slice{number}.route{number * 7}"
        for share in SHARES:
            engine = UnleashEvaluator()
            engine.take(flags(a_feature(flag, str(share))))
            for at in range(72):
                key = f"kéy-{number}-{at}"
                asked += 1
                if engine.enabled(flag, FlagContext(key)) != (bucket(flag, key) <= share):
                    disagreements.append((flag, key, share))
    assert asked > 10_000
    assert disagreements == []


@settings(max_examples=400, deadline=None)
@given(key=KEYS, share=st.integers(0, 100))
@example(key="\x00", share=50)
@example(key="👩‍👩‍👧", share=50)
def test_any_key_falls_as_in_the_engine(key: str, share: int) -> None:
    engine = UnleashEvaluator()
    engine.take(flags(a_feature(rollout=str(share))))
    assert engine.enabled(FLAG, FlagContext(key)) == (bucket(FLAG, key) <= share)


STRATEGIES = st.builds(
    lambda rollout, stickiness, group, more: a_strategy(
        rollout, stickiness=stickiness, groupId=group, **more
    ),
    st.sampled_from(["0", "1", "33", "033", "99", "100", "33.5", "150", "abc", ""]),
    st.sampled_from(["userId", "userId", "default", "sessionId", "random"]),
    st.sampled_from([FLAG, FLAG, "another", ""]),
    st.sampled_from([{}, {}, {"variants": []}, {"constraints": [REGION]}, {"segments": []}]),
)


@settings(max_examples=1_000, deadline=None)
@given(key=KEYS, enabled=st.booleans(), strategies=st.lists(STRATEGIES, max_size=2))
def test_wherever_a_flag_is_decided_without_the_engine_the_engine_says_the_same(
    key: str, enabled: bool, strategies: list[dict[str, Any]]
) -> None:
    state = flags(a_feature(strategies=strategies, enabled=enabled))
    intent = state.intent(a_route())
    if is_by_bucket(intent):
        told = bucket(FLAG, key) <= intent.rollout
        engine = UnleashEvaluator()
        engine.take(state)
        assert engine.enabled(FLAG, FlagContext(key)) == told


@pytest.mark.parametrize("rollout", ["0", "33", "100"])
def test_plain_flags_are_decided_without_the_engine_and_targeted_ones_are_not(rollout: str) -> None:
    plain = flags(a_feature(rollout=rollout)).intent(a_route())
    targeted = flags(a_feature(strategies=[a_strategy(rollout, constraints=[REGION])])).intent(a_route())
    assert is_by_bucket(plain)
    assert plain.rollout == int(rollout)
    assert not is_by_bucket(targeted)
    assert not is_by_bucket(flags().intent(a_route()))


@settings(max_examples=300, deadline=None)
@given(key=KEYS, low=st.integers(1, 100), high=st.integers(1, 100))
def test_raising_a_share_never_moves_a_key_back(key: str, low: int, high: int) -> None:
    low, high = sorted((low, high))
    assert not (_extracted(key, low) and not _extracted(key, high))


def _extracted(key: str, share: int) -> bool:
    state = a_state(stage=ReadStage.CANARY, cap_pct=share, applied_pct=share)
    intent = flags(a_feature(rollout=str(share))).intent(a_route())
    side, _ = answering_side(a_route(), state, intent, bucket(FLAG, key) <= share, key)
    return side is Side.EXTRACTED


def test_a_request_without_a_key_is_off_even_at_100_percent_in_the_engine() -> None:
    engine = UnleashEvaluator()
    engine.take(flags(a_feature(rollout="100")))
    assert not engine.enabled(FLAG, FlagContext(None))


def test_a_key_that_is_no_unicode_has_a_bucket_all_the_same() -> None:
    assert 1 <= bucket(FLAG, "\udcff") <= 100


def test_an_unknown_flag_and_an_engine_without_state_are_off() -> None:
    assert not UnleashEvaluator().enabled("strangler.no.such", FlagContext("key"))


def test_properties_reach_the_engine() -> None:
    feature = a_feature(rollout="100")
    feature["strategies"][0]["constraints"] = [REGION]
    engine = UnleashEvaluator()
    engine.take(flags(feature))
    assert engine.enabled(FLAG, FlagContext("key", {"region": "eu"}))
    assert not engine.enabled(FLAG, FlagContext("key", {"region": "us"}))


def test_the_state_before_stays_in_force_when_the_engine_refuses_the_next() -> None:
    engine = UnleashEvaluator()
    engine.take(flags(a_feature(rollout="100")))
    with pytest.raises(FlagError, match="engine refuses"):
        engine.take(
            FlagState.from_features({"version": 2, "features": [{"name": FLAG, "enabled": "perhaps"}]})
        )
    assert engine.enabled(FLAG, FlagContext("key"))
