"""Given users on the service, when it dies in any way, then nobody whose answer had not begun sees it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.backends import embedded, grown
from tests.e2e.load import Load
from tests.e2e.system import System, eventually
from tests.e2e.wire import Wire

DEATHS = ["SIGKILL", "SIGSTOP", "cut"] * 6 + ["SIGKILL", "SIGSTOP"]
pytestmark = [pytest.mark.slow, pytest.mark.alone]


@pytest.fixture(params=["embedded", pytest.param("grown", marks=pytest.mark.services)])
def on_the_service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[System, Wire]]:
    """All keys of show_product on the service, and a wire to it that can be cut."""
    backend = embedded() if request.param == "embedded" else grown(request)
    system = System(tmp_path, backend, products=200)
    with Wire(("127.0.0.1", system.ports["catalog"])) as wire:
        system.write_plan(catalog_via=wire.url)
        try:
            system.seed()
            system.start("legacy", "catalog", "facade", "shadow", "conductor")
            system.strangler("shadow", "start", "catalog.show_product", "--sample", "100")
            system.strangler(
                "shift", "catalog.show_product", "--to", "100", "--override", "this test is about deaths"
            )
            yield system, wire
        finally:
            system.stop()


def test_twenty_deaths_under_fifty_connections(on_the_service: tuple[System, Wire]) -> None:
    system, wire = on_the_service
    load = Load(system.url, lambda n: f"/api/products/{n % 200 + 1}", clients=50, think=0.25)
    with load.running():
        _wait_for(load, "catalog", 0.0, "the service answers")
        for death in DEATHS:
            died = time.monotonic()
            _die(system, wire, death)
            _wait_for(load, "legacy", died, f"legacy answers after {death}")
            back = time.monotonic()
            _live(system, wire, death)
            _wait_for(load, "catalog", back, f"the breaker closes after {death}")
    unserved = [one for one in load.log if (not one.served and not one.begun) or (one.status or 0) >= 500]
    assert unserved == [], f"{len(unserved)} of {len(load.log)}"
    assert len(load.log) > 1_000
    assert system.metric("strangler_fallbacks_total") > 0, "fallbacks are counted and shown, never silent"
    kinds = {finding["kind"] for finding in system.report("show_product")["findings"]}
    assert kinds & {"error", "timeout"}, "each of them is a difference: the candidate failed"


def _die(system: System, wire: Wire, death: str) -> None:
    if death == "SIGKILL":
        system.kill("catalog")
    elif death == "SIGSTOP":
        system.pause("catalog")
    else:
        wire.cut_after = 300  # inside the body: the head alone is shorter than that


def _live(system: System, wire: Wire, death: str) -> None:
    if death == "SIGKILL":
        system.start("catalog")
    elif death == "SIGSTOP":
        system.resume("catalog")
    else:
        wire.cut_after = None


def _wait_for(load: Load, build: str, since: float, what: str) -> None:
    """Twenty answers of that side, asked for after `since`."""

    def answered() -> bool:
        return sum(1 for one in load.since(since) if one.served and one.build.startswith(build)) >= 20

    eventually(what, answered, within=30)
