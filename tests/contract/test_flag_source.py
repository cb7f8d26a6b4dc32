"""The contract of flag sources and writers: in memory, in a file, and on a real Unleash server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from migration.adapters.memory import MemoryFlags
from migration.bootstrap import open_evaluator, open_flag_source, open_flag_writer
from migration.core.bucket import bucket
from migration.core.plan import FlagSettings, Plan
from migration.errors import FlagError
from migration.ports import FlagContext
from tests.contract.conftest import SERVICES
from tests.contract.flag_pairs import ROUTE, Flags, of
from tests.unit.migration.migration_builders import FLAG, SHADOW_FLAG


@pytest.fixture(params=["memory", "file", pytest.param("unleash", marks=SERVICES)])
async def flags(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Flags]:
    if request.param == "memory":
        memory = MemoryFlags(time.time)
        yield Flags(memory, memory)
        return
    settings = FlagSettings("file", str(tmp_path / "state" / "flags.json"))
    if request.param == "unleash":
        settings = of(request.getfixturevalue("unleash"))
    found = Flags(open_flag_source(settings, time.time), open_flag_writer(settings))
    if request.param == "unleash":
        await found.until_empty()
    yield found
    await found.source.close()
    await found.writer.close()


async def test_missing_flags_are_created_at_nobody_and_without_any_trap(flags: Flags, plan: Plan) -> None:
    assert await flags.writer.ensure([FLAG, SHADOW_FLAG]) == (FLAG, SHADOW_FLAG)
    assert await flags.writer.ensure([FLAG, SHADOW_FLAG]) == ()
    state = await flags.until(lambda state: {FLAG, SHADOW_FLAG} <= set(state.features))
    intent = state.intent(ROUTE)
    assert (intent.rollout, intent.known, intent.shadow, intent.shadow_known) == (0, True, 0, True)
    assert state.lints(plan) == ()
    assert state.fetched_at is not None
    assert abs(state.fetched_at - time.time()) < 5


async def test_a_share_is_set_raised_and_lowered(flags: Flags, plan: Plan) -> None:
    for share in (10, 100, 1, 0):
        await flags.writer.set_rollout(FLAG, share)
        state = await flags.until_asked(share)
    await flags.writer.set_rollout(SHADOW_FLAG, 25)
    state = await flags.until(lambda state: state.intent(ROUTE).shadow == 25)
    assert state.lints(plan) == ()


async def test_the_cohort_is_our_bucket(flags: Flags) -> None:
    await flags.writer.set_rollout(FLAG, 33)
    engine = open_evaluator()
    engine.take(await flags.until_asked(33))
    keys = [f"schlüssel-{number}" for number in range(1_000)]
    assert [engine.enabled(FLAG, FlagContext(key)) for key in keys] == [
        bucket(FLAG, key) <= 33 for key in keys
    ]


@pytest.mark.parametrize("share", [-1, 101, 150])
async def test_a_share_that_is_none_is_refused_before_it_is_written(flags: Flags, share: int) -> None:
    with pytest.raises(FlagError, match=str(share)):
        await flags.writer.set_rollout(FLAG, share)
    assert await flags.writer.ensure([FLAG]) == (FLAG,)


async def test_the_kill_switch_is_thrown_and_taken_back(flags: Flags) -> None:
    await flags.writer.set_rollout(FLAG, 10)
    for on in (True, False, True):
        await flags.writer.kill(on)
        state = await flags.until(lambda state, on=on: state.killed is on)  # type: ignore[misc]
        assert state.intent(ROUTE).rollout == 10


async def test_unchanged_flags_are_fetched_again_without_being_read_again(flags: Flags) -> None:
    await flags.writer.set_rollout(FLAG, 10)
    first = await flags.until_asked(10)
    second = await flags.source.fetch()
    assert second.document is first.document
    assert second.hash == first.hash
    assert second.fetched_at is not None
    assert first.fetched_at is not None
    assert second.fetched_at >= first.fetched_at


async def test_a_source_names_itself_without_its_secrets(flags: Flags) -> None:
    assert flags.source.describe()
    assert "development." not in flags.source.describe()
