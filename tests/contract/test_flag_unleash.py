"""A real Unleash: killed, frozen, with wrong tokens, and with flags made by hand in every wrong way."""

from __future__ import annotations

import time
from typing import Any

import pytest

from migration.adapters.flag_engine_unleash import UnleashEvaluator
from migration.adapters.flag_source_unleash import UnleashFlags
from migration.bootstrap import open_flag_source, open_flag_writer
from migration.core.bucket import bucket
from migration.core.flags import KILL_FLAG
from migration.core.plan import FlagSettings, Plan
from migration.ports import FlagContext
from tests.contract.flag_pairs import ROUTE, Flags, fails_in_time, made_by_hand, of
from tests.unit.migration.migration_builders import FLAG, a_strategy


@pytest.mark.services
@pytest.mark.parametrize("how", ["frozen", "killed"])
async def test_a_server_that_is_away_is_told_in_time_and_asked_again_after(unleash: Any, how: str) -> None:
    settings = of(unleash)
    found = Flags(open_flag_source(settings, time.time), open_flag_writer(settings))
    await found.until_empty()
    await found.writer.set_rollout(FLAG, 10)
    await found.until_asked(10)
    unleash.sigstop() if how == "frozen" else unleash.kill9()
    await fails_in_time(found.source.fetch)
    await fails_in_time(lambda: found.writer.set_rollout(FLAG, 50))
    unleash.ensure_running()
    await found.until(lambda state: state.intent(ROUTE).known)
    await found.writer.set_rollout(FLAG, 50)
    await found.until_asked(50)
    await found.source.close()
    await found.writer.close()


@pytest.mark.services
async def test_wrong_tokens_are_told_with_their_cure(unleash: Any) -> None:
    of(unleash)
    source = UnleashFlags(unleash.url, "default:development.wrong", time.time)
    assert "check flags.token" in await fails_in_time(source.fetch)
    writer = open_flag_writer(FlagSettings("unleash", unleash.url, "t", unleash.client_token))
    assert "check flags.admin_token" in await fails_in_time(lambda: writer.set_rollout(FLAG, 10))
    await source.close()
    await writer.close()


@pytest.mark.services
async def test_an_unknown_project_or_environment_is_told(unleash: Any) -> None:
    good = of(unleash)
    writer = open_flag_writer(good)
    await writer.ensure([FLAG])
    for changes, words in (
        ({"project": "nowhere"}, "flags.project"),
        ({"environment": "x"}, "flags.environment"),
    ):
        values = {"kind": "unleash", "location": unleash.url, "admin_token": unleash.admin_token}
        wrong = open_flag_writer(FlagSettings(**(values | changes)))  # type: ignore[arg-type]
        assert words in await fails_in_time(lambda writer=wrong: writer.set_rollout(FLAG, 10))  # type: ignore[misc]
        await wrong.close()
    await writer.close()


@pytest.mark.services
@pytest.mark.parametrize(
    ("strategies", "words"),
    [
        pytest.param([a_strategy("33.5")], "33.5", id="a fraction"),
        pytest.param([a_strategy("150")], "150", id="more than everybody"),
        pytest.param([a_strategy("abc")], "abc", id="no number"),
        pytest.param([a_strategy("10"), a_strategy("20")], "2 strategies", id="two"),
        pytest.param([a_strategy("10", stickiness="default")], "default", id="default stickiness"),
        pytest.param([a_strategy("10", groupId="another")], "another", id="another group"),
        pytest.param([a_strategy("10", disabled=True)], "default", id="on with all disabled adds everybody"),
    ],
)
async def test_the_traps_as_the_server_lets_them_through_are_problems(
    unleash: Any, strategies: list[dict[str, Any]], words: str, plan: Plan
) -> None:
    found = await made_by_hand(unleash, *strategies)
    state = await found.until(lambda state: FLAG in state.features)
    intent = state.intent(ROUTE)
    assert not intent.known
    assert intent.problem is not None
    assert words in intent.problem
    assert any(lint.flag == FLAG for lint in state.lints(plan))
    await found.source.close()
    await found.writer.close()


@pytest.mark.services
@pytest.mark.parametrize(
    "strategies",
    [
        [],
        [a_strategy("33.5")],
        [a_strategy("10", stickiness="default", groupId="x")],
        [a_strategy(disabled=True)],
    ],
)
async def test_setting_a_share_cures_a_flag_made_by_hand(
    unleash: Any, strategies: list[dict[str, Any]]
) -> None:
    found = await made_by_hand(unleash, *strategies, on=False)
    await found.writer.set_rollout(FLAG, 25)
    state = await found.until_asked(25)
    assert len(state.features[FLAG]["strategies"]) == 1
    engine = UnleashEvaluator()
    engine.take(state)
    assert [engine.enabled(FLAG, FlagContext(str(key))) for key in range(200)] == [
        bucket(FLAG, str(key)) <= 25 for key in range(200)
    ]
    await found.source.close()
    await found.writer.close()


@pytest.mark.services
async def test_several_strategies_are_left_to_the_person_who_made_them(unleash: Any) -> None:
    found = await made_by_hand(unleash, a_strategy("10"), a_strategy("20"))
    assert "remove them in Unleash" in await fails_in_time(lambda: found.writer.set_rollout(FLAG, 50))
    await found.source.close()
    await found.writer.close()


@pytest.mark.services
async def test_constraints_of_a_segment_arrive_with_the_flag(unleash: Any, plan: Plan) -> None:
    constraint = {"contextName": "region", "operator": "IN", "values": ["eu"], "inverted": False}
    found = await made_by_hand(unleash, a_strategy("100", constraints=[constraint]))
    state = await found.until_asked(100)
    assert state.intent(ROUTE).targeted
    assert any("constraints" in lint.what for lint in state.lints(plan))
    assert KILL_FLAG not in state.features
    await found.source.close()
    await found.writer.close()
