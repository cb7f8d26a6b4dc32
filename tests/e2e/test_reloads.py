"""Given traffic, when the plan is reloaded a hundred times, then no request fails."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.load import Load
from tests.e2e.system import Backend, System, eventually


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    system = System(tmp_path, Backend("embedded"), products=50)
    try:
        system.seed()
        system.start("legacy", "catalog", "facade")
        yield system
    finally:
        system.stop()


def _wait_past(system: System, reloads: float) -> None:
    eventually(
        "the facade took it", lambda: system.metric("strangler_plan_reloads_total") > reloads, within=60
    )


def test_a_hundred_reloads_fail_no_request(system: System) -> None:
    load = Load(system.url, lambda n: f"/api/products/{n % 50 + 1}", clients=20, think=0.02)
    whole = system.plan.read_text()
    with load.running():
        eventually("the load runs", lambda: len(load.log) > 50, within=60)
        for number in range(100):
            before = system.metric("strangler_plan_reloads_total")
            wrong = number % 10 == 9
            system.plan.write_text("this is no plan [" if wrong else f"{whole}\n# {number}\n")
            system.processes["facade"].signal(signal.SIGHUP)
            _wait_past(system, before)
        ended = time.monotonic()
        eventually("traffic flows", lambda: len(load.since(ended)) > 50, within=60)
    assert [one for one in load.log if not one.served] == []
