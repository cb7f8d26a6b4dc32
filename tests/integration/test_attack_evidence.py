"""What could make a bad candidate look good: it hides behind losses, or clocks run wrong."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from aiohttp import web

from shadow.core.report import RouteReport
from tests.integration.shadow_world import candidate, exchange, make_plan, product, sender, shadow


def accounted(report: RouteReport, tapped: int) -> bool:
    """Whether everything tapped has an outcome."""
    traffic = report.traffic
    return traffic.tapped == tapped == sum(traffic.outcomes.values()) and report.coverage.sessions_open == 0


async def test_a_candidate_that_hangs_under_load_is_not_READY(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the only turn until its time is up: few are timeouts, most were never asked."""
    monkeypatch.setattr("shadow.examine._PATIENCE", 0.2)
    hanging = False

    async def answer(request: web.Request) -> web.Response:
        if hanging:
            await asyncio.sleep(30)
        return product(request)

    async with candidate(answer) as service:
        plan = make_plan(tmp_path, service.url, max_in_flight=1, timeout=0.5)
        async with shadow(plan) as running, sender(plan) as tap:
            tap.offer(exchange(0))
            await running.until(lambda r: accounted(r, 1))
            hanging = True
            for number in range(1, 61):
                tap.offer(exchange(number))
            report = await running.until(lambda r: accounted(r, 61))
            hanging = False
            for number in range(61, 500):
                tap.offer(exchange(number))
                await asyncio.sleep(0.002)
            report = await running.until(lambda r: accounted(r, 500), within=60)
    timeouts = report.verdict.mismatched
    assert 1 <= timeouts <= 3
    assert report.traffic.lost == {"no_turn": 60 - timeouts}
    assert report.verdict.word == "INCONCLUSIVE"
    assert any("were undecided or lost" in sentence for sentence in report.verdict.sentences)


async def test_a_candidate_that_is_dead_when_shadow_starts_again_fails_in_the_count_that_goes_on(
    tmp_path: Path,
) -> None:
    """It tells no build while it is dead; a count without one would keep its failures for itself."""
    dead = False

    async def answer(request: web.Request) -> web.Response:
        if dead and request.transport is not None:
            request.transport.abort()
        return product(request)

    async with candidate(answer) as service:
        plan = make_plan(tmp_path, service.url)
        for expected, numbers in ((3, range(3)), (8, range(3, 8))):
            async with shadow(plan) as running, sender(plan) as tap:
                for number in numbers:
                    tap.offer(exchange(number))
                report = await running.until(lambda r, tapped=expected: accounted(r, tapped))  # type: ignore[misc]
            dead = True
    assert (report.verdict.trials, report.verdict.mismatched) == (8, 5)
    assert report.count is not None
    assert (report.count.build_new, report.count.counts_started) == ("catalog-1", 1)


async def test_a_facade_whose_clock_is_wrong_covers_no_day_at_once(tmp_path: Path) -> None:
    async with candidate(product_of) as service:
        plan = make_plan(tmp_path, service.url)
        async with shadow(plan) as running, sender(plan) as tap:
            for number, off in enumerate((-90_000.0, 0.0, 90_000.0, 9e12)):
                tap.offer(exchange(number, started_at=time.time() + off))
            report = await running.until(lambda r: accounted(r, 4))
    assert report.verdict.trials == 4
    assert report.count is not None
    assert report.count.covered < 700
    assert (report.count.last_trial or 0) < time.time()


async def product_of(request: web.Request) -> web.Response:
    return product(request)
