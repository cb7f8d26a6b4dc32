"""The shadow process with a real tap, a real candidate over HTTP and a real SQLite file."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from tests.integration.shadow_world import candidate, exchange, make_plan, product, sender, shadow


async def test_equal_answers_become_trials_and_then_READY_at_exactly_343(tmp_path: Path) -> None:
    async def same(request: web.Request) -> web.Response:
        return product(request)

    async with candidate(same) as service:
        plan = make_plan(tmp_path, service.url)
        async with shadow(plan) as running, sender(plan) as tap:
            for number in range(342):
                tap.offer(exchange(number))
            report = await running.until(lambda r: r.verdict.trials == 342)
            assert report.verdict.word == "INCONCLUSIVE"
            assert report.verdict.more == 1
            tap.offer(exchange(342))
            report = await running.until(lambda r: r.verdict.trials == 343)
            assert (report.verdict.word, report.verdict.mismatched) == ("READY", 0)
            assert report.traffic.eligible == report.traffic.tapped == report.traffic.outcomes["match"] == 343
            assert report.injected == report.caught >= 1
