"""What happens to the helpers of a running system, and what its users may notice of it: nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.e2e.load import Load
from tests.e2e.system import System, eventually

# Makes somebody ill, and returns the cure.
Ailment = Callable[[System], Callable[[], object]]


@contextmanager
def half_moved(system: System) -> Iterator[System]:
    """Half of the keys of show_product on the service, everything mirrored."""
    try:
        system.seed()
        system.start("legacy", "catalog", "facade", "shadow", "conductor")
        system.strangler("shadow", "start", "catalog.show_product", "--sample", "100")
        system.strangler(
            "shift", "catalog.show_product", "--to", "50", "--override", "half of the keys, for this test"
        )
        share = r'strangler_route_percent\{route="catalog.show_product",share="served"\}'
        eventually("half of the keys are moved", lambda: system.metric(share) == 50, within=60)
        yield system
    finally:
        system.stop()


def nobody_notices(system: System, ailment: Ailment, *, lasts: float = 1.5) -> None:
    """Under load, for at least `lasts` seconds of illness and after the cure: every answer as before."""
    load = Load(system.url, lambda n: f"/api/products/{n % 100 + 1}", clients=20, think=0.1)
    with load.running():
        eventually("the load runs", lambda: len(load.log) > 100, within=60)
        sides_before = _sides(load, 0.0)
        began = time.monotonic()
        cure = ailment(system)
        try:
            eventually(
                "traffic flows while it lasts", lambda: len(load.since(began + lasts)) > 100, within=30
            )
        finally:
            cure()
        cured = time.monotonic()
        eventually("traffic flows after the cure", lambda: len(load.since(cured + 1.0)) > 100, within=60)
    assert [one for one in load.log if not one.served] == []
    assert {"legacy", "catalog"} == sides_before == _sides(load, began)
    slow = [one.seconds for one in load.log if one.seconds > 3]
    assert slow == [], "nobody waits for a helper"


def _sides(load: Load, since: float) -> set[str]:
    return {one.build.split("-")[0] for one in load.since(since)}
