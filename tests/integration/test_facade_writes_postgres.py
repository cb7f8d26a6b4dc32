"""Flips told through a ledger on PostgreSQL, also one whose server is killed in the middle."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from migration.core.slice_state import SlicePhase
from tests.integration.facade_bench import until
from tests.integration.writing_world import EXTRACTED, LEGACY, Writing, set_phase, set_row, world

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.alone]


def test_flips_under_load_are_not_noticed_and_a_server_killed_in_one_costs_no_write(
    tmp_path: Path, postgres_server: Any
) -> None:
    url = postgres_server.database()
    with world(tmp_path, ledger_url=url, workers=2, hold="1s") as shop:
        with Writing(shop.front.port, 20) as writing:
            writing.some(50)
            for _ in range(6):
                shop.flip()
                writing.some(20)
        assert writing.failed == []
        assert shop.fence.wrong == []

        set_phase(shop.ledger, SlicePhase.FLIPPING)
        shop.knows("flipping")
        postgres_server.kill9()
        until(lambda: shop.front.ready()["ledger"]["problem"], "the outage")
        began = time.monotonic()
        reply = shop.place("in mid-flip")
        assert reply.status == 503
        assert reply.json()["type"].endswith(":moving")
        assert 1.0 <= time.monotonic() - began < 3.0
        postgres_server.ensure_running()
        set_row(shop.ledger, phase=SlicePhase.STEADY, hold_until=0.0)
        shop.knows("steady", LEGACY)
        assert shop.place("after").status == 201
        shop.flip()
        shop.knows("steady", EXTRACTED)
        names = [name for _, name, _ in shop.fence.written]
        assert "in mid-flip" not in names
        assert len(names) == len(set(names)) == len(writing.acknowledged) + 1
