"""`python -m bench.tap`: what handing one exchange to the shadow process costs both ends, as JSON.

A sender in this process, a listener that only counts in another; 8 headers there, 8 back. `busy_us` is the
worker under load: blocks of other work, with and without handing an exchange over after each piece, in turns;
the difference is CPU time of the whole process, timers and system calls included. `steady_us` is the same of
a worker that sleeps in between, at a steady rate: it pays for cold caches and for more wake-ups.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop

from shadow.listener import TapListener
from shadow.tap import TapSender

REQUEST = (
    b"GET /api/products/17?x=1 HTTP/1.1\r\nHost: shop.example\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux) bench\r\nAccept: application/json\r\n"
    b"Accept-Language: en;q=0.9,de;q=0.8\r\nAccept-Encoding: gzip, deflate\r\n"
    b"Cookie: session=4f2a9c; shop_key=key-12\r\nX-Request-Id: 0af7651916cd43dd8448eb211c80319c\r\n"
    b"X-Forwarded-For: 127.0.0.1\r\n\r\n"
)
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1024\r\nServer: gunicorn\r\n"
    b"Date: Sat, 21 Nov 2026 15:29:37 GMT\r\nCache-Control: private\r\nX-Build: legacy-1\r\n"
    b'ETag: "4f2a9c"\r\nConnection: keep-alive\r\n\r\n'
)
TRACE = "0af7651916cd43dd8448eb211c80319c"
_ELSEWHERE = b"y" * 40_000  # hashed once a request: about 30 µs, and nothing else stays in the nearest cache
_A_TURN = 4  # requests that end in one turn of a busy worker's loop
_TICK = 0.001  # seconds


class Timed(TapSender):
    """A sender that knows its longest turn on the event loop, in CPU seconds."""

    longest = 0.0

    def _take_turn(self) -> None:
        began = time.thread_time()
        super()._take_turn()
        self.longest = max(self.longest, time.thread_time() - began)


@dataclass(frozen=True)
class Case:
    """A body's size, and what is handed over of it: in a block, and in a second when there is no hurry."""

    loop: str
    body_bytes: int
    block: int
    rate: int
    settle: float = 0.02  # seconds until what was handed over has left


CASES = (
    Case("uvloop", 1024, 1000, 2000),
    Case("asyncio", 1024, 1000, 2000),
    Case("uvloop", 1024 * 1024, 8, 20, 0.2),
)


def _take(tap: TapSender, body: bytes) -> None:
    """As a facade hands it over: everything is at hand."""
    tap.take(
        "catalog.show_product", "key-12", True, "GET", b"/api/products/17?x=1", REQUEST, b"", "legacy", 200,
        ANSWER, body, time.time(), 2.5, False, "0af7651916cd43dd8448eb211c80319c", TRACE,
    )  # fmt: skip


async def _busy(tap: TapSender | None, case: Case, body: bytes) -> float:
    """CPU seconds of a block of requests, each handed over after its last byte where there is a tap."""
    began = time.process_time()
    for number in range(case.block):
        hashlib.sha256(_ELSEWHERE).digest()
        if tap is not None:
            _take(tap, body)
        if number % _A_TURN == 0:
            await asyncio.sleep(0)
    await asyncio.sleep(case.settle)
    return time.process_time() - began


async def _steady(tap: TapSender | None, case: Case, body: bytes) -> float:
    """CPU seconds of one second at the case's rate."""
    began, cpu, done = time.monotonic(), time.process_time(), 0
    while (passed := time.monotonic() - began) < 1:
        for _ in range(done, int(passed * case.rate)):
            done += 1
            if tap is not None:
                _take(tap, body)
        await asyncio.sleep(_TICK)
    return time.process_time() - cpu


async def _without_and_with(
    work: Callable[[TapSender | None, Case, bytes], Awaitable[float]], tap: TapSender, case: Case, rounds: int
) -> float:
    """CPU µs of one exchange, the median of the rounds."""
    body, found = b"x" * case.body_bytes, []
    for _ in range(rounds):
        before = tap.totals().get("catalog.show_product", {}).get("eligible", 0)
        without = await work(None, case, body)
        with_it = await work(tap, case, body)
        exchanges = tap.totals()["catalog.show_product"]["eligible"] - before
        found.append((with_it - without) / exchanges * 1e6)
    return round(statistics.median(found), 2)


@contextlib.asynccontextmanager
async def _connected(path: Path) -> AsyncIterator[Timed]:
    tap = Timed(path, "bench")
    running = asyncio.ensure_future(tap.run())
    async with asyncio.timeout(10):
        while not tap.connected:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.01)
    try:
        yield tap
    finally:
        await tap.close(5)
        await running


async def _measured(case: Case, rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "tap.sock"
        reader = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.tap", "--read", str(path),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with _connected(path) as tap:
            await _busy(tap, case, b"warm")
            tap.longest = 0.0
            busy = await _without_and_with(_busy, tap, case, 5 * rounds)
            steady = await _without_and_with(_steady, tap, case, rounds)
        said, _ = await reader.communicate(b"")
    (counted,) = tap.totals().values()
    heard: dict[str, Any] = json.loads(said)
    return {
        **asdict(case), "busy_us": busy, "steady_us": steady, "reader_us": heard["reader_us"],
        "longest_turn_ms": round(tap.longest * 1e3, 3), "counted": dict(counted), "heard": heard["heard"],
    }  # fmt: skip


async def _read(path: Path) -> None:
    """Listen until standard input ends; say what it cost."""
    heard = 0

    def exchange(_instance: str, _exchange: object) -> None:
        nonlocal heard
        heard += 1

    def totals(_instance: str, _route: str, _counters: Mapping[str, int]) -> None:
        return

    listener = TapListener(path, exchange, totals, print)
    await listener.open()
    cpu = time.process_time()
    await asyncio.to_thread(sys.stdin.read)
    await listener.close()
    cost = (time.process_time() - cpu) / max(heard, 1)
    print(json.dumps({"heard": heard, "reader_us": round(cost * 1e6, 2)}))


def main() -> int:
    """Measure each case; exit 1 when an exchange was lost."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.read:
        asyncio.run(_read(chosen.read))
        return 0
    load = os.getloadavg()[0]
    results = []
    for case in CASES:
        run = uvloop.run if case.loop == "uvloop" else asyncio.run
        results.append(run(_measured(case, chosen.rounds)))
    machine = {"python": platform.python_version(), "cores": os.cpu_count(), "load_before": round(load, 2)}
    print(json.dumps({"machine": machine, "rounds": chosen.rounds, "results": results}, indent=2))
    return 0 if all(one["heard"] == one["counted"]["eligible"] for one in results) else 1


if __name__ == "__main__":
    sys.exit(main())
