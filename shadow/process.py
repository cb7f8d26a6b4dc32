"""The flow of `run shadow`: take over the evidence, open the tap, examine, write, until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from migration.core.plan import Plan
from migration.errors import MigrationError
from shadow.errors import EvidenceTakenOver
from shadow.examine import Examiner
from shadow.listener import TapListener
from shadow.recorder import Recorder

CLOSE_SESSIONS_EVERY = 0.5  # seconds
_DRAIN = 5.0  # seconds for what is under way when told to stop


async def work(
    recorder: Recorder,
    examiner: Examiner,
    listener: TapListener,
    stop: asyncio.Event,
    reloads: Callable[[], Awaitable[None]],
) -> None:
    """Run until `stop`; EvidenceTakenOver when another shadow process took the evidence over."""
    # Asked first: taking the evidence over would end the process that rightly has it.
    await listener.refuse_a_second()
    for route, exchanges in (await recorder.open(stop)).items():
        examiner.lost(route, "shadow_died", exchanges)
    if stop.is_set():
        return
    await recorder.flush()
    await listener.open()
    closing = asyncio.ensure_future(_close_sessions(examiner))
    reloading = asyncio.ensure_future(reloads())
    try:
        await recorder.run(stop)
    finally:
        for task in (closing, reloading):
            task.cancel()
        await asyncio.gather(closing, reloading, return_exceptions=True)
        await listener.close()
        await examiner.drain(_DRAIN)
        with contextlib.suppress(EvidenceTakenOver):
            examiner.close_sessions()
            await recorder.flush()


async def _close_sessions(examiner: Examiner) -> None:
    while True:
        await asyncio.sleep(CLOSE_SESSIONS_EVERY)
        examiner.close_sessions()


async def reload_forever(
    examiner: Examiner,
    changed: Callable[[], Awaitable[None]],
    load: Callable[[], Plan],
    tell: Callable[[str], None],
) -> None:
    """Take each changed plan; a wrong one is told of, and the last good one stays in force."""
    while True:
        await changed()
        try:
            plan = await asyncio.to_thread(load)
            examiner.use(plan)
            tell(f"plan reloaded: {plan.hash[:12]}")
        except (MigrationError, ValueError, KeyError) as error:
            tell(f"the changed plan is not used, the last good one stays: {error}")
