"""Whole flips under fifteen writers that always have a transaction open: in time, and nothing is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sync.backfill import backfill
from sync.capture import install
from sync.core.values import Side
from sync.flip import Flipped, flip
from sync.procedure import Patience
from sync.relay import Relay, sessions
from tests.contract.side_databases import open_banks
from tests.contract.test_side_database_postgres_fence import WRITERS, balances, writing
from tests.sync.actors import pair_of
from tests.sync.crew import sized

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.alone]
OPEN_FOR = 0.05  # seconds
ROUND_TRIPS = sized(3, 50)


def test_flips_under_fifteen_open_writers_close_in_time(
    tmp_path: Path, postgres_database: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    banks = open_banks("postgres", tmp_path, postgres_database)
    banks.legacy.write(f"INSERT INTO accounts SELECT n, n::text, 0 FROM generate_series(1, {WRITERS}) n")
    away: list[Flipped] = []
    with sessions(pair_of(banks), "flipper") as both:
        install(both)
        backfill(both.lane(), lambda *_: None, lambda _: False)
        stop = threading.Event()
        relay = threading.Thread(target=Relay(both.pair, "relay", stop.wait).run)
        relay.start()
        try:
            with writing(banks.legacy, OPEN_FOR) as writers:
                for _ in range(ROUND_TRIPS):
                    time.sleep(0.5)
                    away.append(flip(both, Side.EXTRACTED, unverified=True))
                    assert away[-1].moved, away[-1].sentence
                    closed = balances(banks.legacy)
                    time.sleep(3 * OPEN_FOR)  # longer than any transaction that began before
                    assert balances(banks.legacy) == closed, "a commit on the closed side"
                    back = flip(both, Side.LEGACY, unverified=True)
                    assert back.moved, back.sentence
        finally:
            stop.set()
            relay.join()
    assert [each.other for each in writers if each.other] == []
    assert sum(each.refused for each in writers) > 20, "nobody tried: this has shown nothing"
    assert [row[1] for row in balances(banks.legacy)] == [each.commits for each in writers]
    pauses = sorted(each.paused_s for each in away)
    assert pauses[-1] < Patience().close + Patience().drain, pauses
    with capsys.disabled():
        print(
            f"\n{len(pauses)} flips under {WRITERS} writers, open {OPEN_FOR * 1000:.0f} ms each: "
            f"pause {pauses[len(pauses) // 2] * 1000:.0f} ms in the middle, at most "
            f"{pauses[-1] * 1000:.0f} ms; {sum(each.commits for each in writers)} commits"
        )
