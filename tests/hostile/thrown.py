"""The corpus thrown at a facade without waiting for what it expects: who is behind it answers as he likes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.hostile.case import Case, Close, Flood, HalfClose, Interim, Open, Pause, Read, Reset
from tests.hostile.wire import Wire, connect

Address = tuple[str, int]
_AT_ONCE = 32
_QUIET = 0.15  # seconds without a byte, after which nothing more is expected
_LONGEST = 3.0
_PAUSE = 0.3  # pauses are shortened: time is not what is judged here


async def throw(facade: Address, cases: Sequence[Case], *, split: bool = False) -> None:
    """Send all that the clients of these cases send."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(case: Case) -> None:
        async with places:
            await _play(facade, case, split and case.split)

    await asyncio.gather(*(one(case) for case in cases))


async def _play(facade: Address, case: Case, split: bool) -> None:
    wires = [await connect(facade, split=split)]
    try:
        for step in case.send:
            if isinstance(step, Open):
                wires.append(await connect(facade, split=split))
            else:
                await _step(wires[-1], case, step)
        await _quiet(wires[-1])
    finally:
        for wire in wires:
            wire.close()


async def _step(wire: Wire, case: Case, step: object) -> None:
    if isinstance(step, bytes):
        await wire.send(case.fill(step, 0))
    elif isinstance(step, Flood):
        await wire.send(case.fill(step.data, 0) * min(step.times, 20))
    elif isinstance(step, Pause):
        await asyncio.sleep(min(step.seconds, _PAUSE))
    elif isinstance(step, Read | Interim):
        await _quiet(wire)
    elif isinstance(step, HalfClose):
        wire.half_close()
    elif isinstance(step, Reset):
        wire.reset()
    elif isinstance(step, Close):
        wire.close()


async def _quiet(wire: Wire) -> None:
    """Wait until the other side has nothing more to say."""
    deadline = asyncio.get_running_loop().time() + _LONGEST
    while wire.ended is None and not wire.closed and asyncio.get_running_loop().time() < deadline:
        so_far = len(wire.data)
        await wire.until(lambda: False, _QUIET)
        if len(wire.data) == so_far:
            return
