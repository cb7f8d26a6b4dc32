"""`python -m bench.endurance.bystander FACADE_PORT BACKEND_PORT RATE`: a user, and a witness beside him.

Both ask at the same rate, one through the facade and one the backend itself, until their input ends; then
they print when each request was due and how long after that its answer was whole. A process of its own: in
another one's it would wait for that one's work.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Sequence

import uvloop

from bench.endurance.steady import Due, Steady

_SLICE = 0.5  # seconds between two looks at the input


async def _ask(port: int, rate: float, over: asyncio.Event) -> list[tuple[float, float, int]]:
    crowd = Steady(port, "/page/{}", timeout=30)
    while not over.is_set():
        await crowd.ask(rate, _SLICE)
    crowd.close()
    return [_told(one) for one in crowd.log]


def _told(one: Due) -> tuple[float, float, int]:
    return one.at, one.seconds, one.status


async def _main(ports: Sequence[int], rate: float) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), over.set)
    gc.disable()
    through, beside = await asyncio.gather(*(_ask(port, rate, over) for port in ports))
    print(json.dumps({"through": through, "beside": beside}))


if __name__ == "__main__":
    uvloop.run(_main([int(word) for word in sys.argv[1:3]], float(sys.argv[3])))
