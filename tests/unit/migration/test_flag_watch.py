"""The follower of a flag source keeps the last good state through whatever happens to the source."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from migration.adapters.memory import MemoryFlags
from migration.core.flags import FlagState
from migration.errors import FlagError
from migration.flag_watch import FlagWatch
from tests.unit.migration.migration_builders import FLAG, a_feature, a_route, flags


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def watch(
    source: MemoryFlags, clock: Clock, on_change: Callable[[FlagState], None] | None = None
) -> FlagWatch:
    return FlagWatch(source, 0.01, clock, stale_after=15.0, on_change=on_change)


def rollout(follower: FlagWatch) -> int | None:
    return None if follower.state is None else follower.state.intent(a_route()).rollout


async def test_a_state_is_fetched_and_told_when_it_changes() -> None:
    clock, told = Clock(), []
    source = MemoryFlags(clock)
    follower = watch(source, clock, told.append)
    assert (follower.state, follower.stale) == (None, True)
    await follower.poll_once()
    await follower.poll_once()
    await source.set_rollout(FLAG, 10)
    await follower.poll_once()
    assert [state.intent(a_route()).known for state in told] == [False, True]
    assert (follower.stale, follower.error, rollout(follower)) == (False, None, 10)


async def test_an_outage_keeps_the_last_state_which_grows_stale_and_comes_back() -> None:
    clock = Clock()
    source = MemoryFlags(clock)
    await source.set_rollout(FLAG, 10)
    follower = watch(source, clock)
    await follower.poll_once()
    source.broken = "the server is away"
    clock.now += 15
    await follower.poll_once()
    assert (rollout(follower), follower.stale, follower.error) == (10, False, "the server is away")
    clock.now += 1
    assert follower.stale
    source.broken = None
    await follower.poll_once()
    assert (follower.stale, follower.error) == (False, None)


async def test_a_source_with_a_bug_does_not_end_its_follower() -> None:
    source = MemoryFlags(Clock(), {"features": 5})
    follower = watch(source, Clock())
    await follower.poll_once()
    assert follower.error is not None
    assert "ValueError" in follower.error


async def test_flags_that_the_engine_refuses_do_not_replace_those_in_force() -> None:
    clock = Clock()
    source = MemoryFlags(clock)
    await source.set_rollout(FLAG, 10)

    def take(state: FlagState) -> None:
        if state.intent(a_route()).rollout == 50:
            raise FlagError("the engine refuses")

    follower = watch(source, clock, take)
    await follower.poll_once()
    await source.set_rollout(FLAG, 50)
    await follower.poll_once()
    assert (rollout(follower), follower.error) == (10, "the engine refuses")


def test_a_state_kept_by_an_earlier_process_is_as_old_as_it_is() -> None:
    clock = Clock()
    follower = watch(MemoryFlags(clock), clock)
    follower.seed(flags(a_feature(), at=clock.now - 16))
    assert (rollout(follower), follower.stale) == (10, True)
    follower.seed(flags(a_feature(rollout="50"), at=clock.now))
    assert rollout(follower) == 10


@pytest.mark.parametrize("ask", [True, False])
async def test_it_polls_until_cancelled_and_at_once_when_asked(ask: bool) -> None:
    source = MemoryFlags(Clock())
    follower = FlagWatch(source, 60.0 if ask else 0.001, Clock())
    task = asyncio.create_task(follower.run())
    await _until(lambda: follower.state is not None)
    await source.set_rollout(FLAG, 33)
    if ask:
        follower.refresh()
    await _until(lambda: rollout(follower) == 33)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.001)
