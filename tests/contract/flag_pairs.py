"""A flag source and a writer of the same flags, for the contract tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from migration.bootstrap import open_flag_source, open_flag_writer
from migration.core.flags import FlagState
from migration.core.plan import FlagSettings, Route
from migration.errors import FlagError
from migration.ports import FlagSource, FlagWriter
from tests.unit.migration.migration_builders import FLAG, a_route

ROUTE: Route = a_route()
IN_TIME = 2.5  # seconds; every fetch is bounded by two


@dataclass
class Flags:
    """A source and a writer of the same flags."""

    source: FlagSource
    writer: FlagWriter

    async def until(self, true: Callable[[FlagState], bool]) -> FlagState:
        """The first state for which `true` holds: a server needs a moment to show a change."""
        state = None
        async with asyncio.timeout(10):
            while state is None or not true(state):
                state = await self.source.fetch()
                await asyncio.sleep(0.02)
        return state

    async def until_empty(self) -> None:
        """A server goes on showing for a moment what the test before made."""
        await self.until(lambda state: not state.features)

    async def until_asked(self, rollout: int) -> FlagState:
        return await self.until(
            lambda state: state.intent(ROUTE).known and state.intent(ROUTE).rollout == rollout
        )


def of(server: Any) -> FlagSettings:
    """The settings for a real server, which is brought to an empty project."""
    server.reset()
    return FlagSettings("unleash", server.url, server.client_token, server.admin_token)


async def fails_in_time(call: Callable[[], Awaitable[object]]) -> str:
    """The message of the FlagError that `call` ends with, soon enough."""
    began = time.monotonic()
    with pytest.raises(FlagError) as caught:
        await call()
    assert time.monotonic() - began < IN_TIME
    return str(caught.value)


ADMIN = "/api/admin/projects/default/features"


async def made_by_hand(unleash: Any, *strategies: dict[str, Any], on: bool = True) -> Flags:
    """A flag with these strategies, made in Unleash's own ways."""
    settings = of(unleash)
    found = Flags(open_flag_source(settings, time.time), open_flag_writer(settings))
    await found.until_empty()
    unleash.admin("POST", ADMIN, {"name": FLAG, "type": "release"})
    for strategy in strategies:
        unleash.admin("POST", f"{ADMIN}/{FLAG}/environments/development/strategies", strategy)
    if on:
        unleash.admin("POST", f"{ADMIN}/{FLAG}/environments/development/on")
    return found
