"""Verify passes over and over beside clerks, a relay and flips, and never tells of what is none."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sync.errors import Busy, DatabaseAway, Overtaken, SliceStopped
from sync.relay import sessions
from sync.verify import verify
from tests.contract.side_databases import Banks, open_banks
from tests.sync import actors
from tests.sync.crew import ACCOUNTS, FULL, capture, crew_of, mismatches, sized

# On each of the two engines, or as many as there are in so many seconds.
PASSES = int(os.environ.get("PASSES", sized(200, 5_000)))
SECONDS = 3600 if "PASSES" in os.environ else sized(90, 900)
_FLIPS = 3  # at least: on a quick machine the passes alone are done before anybody has flipped
_AT_LEAST = 20  # passes, on a machine as busy as it may be
_PAUSE = 0.01 if FULL else 0.05  # seconds between two writes of a clerk
_REST = sized(2, 1)  # seconds between two flips
_ROWS = 300  # a clerk's own: ten thousand passes over a table that only grows would not end


def _watch(banks: Banks, told: Path, flips: Path) -> None:
    """Whole passes; one that a flip cut short is not counted. A proven difference is an error."""
    whole = unsettled = cut = 0
    end = time.monotonic() + SECONDS
    while (whole < PASSES and time.monotonic() < end) or whole < _AT_LEAST or _moved(flips) < _FLIPS:
        with sessions(actors.pair_of(banks), "verify") as both:
            try:
                for _ in range(50):
                    found = verify(both.lane())
                    assert found.found == [], f"pass {whole}: {found.found}"
                    unsettled += len(found.unsettled)
                    whole += 1
            except (Overtaken, Busy, DatabaseAway, SliceStopped):
                cut += 1
                time.sleep(0.01)
        assert mismatches(banks) == 0, f"told, and then overtaken, after {whole} passes"
    told.write_text(json.dumps({"passes": whole, "cut by a flip": cut, "keys unsettled": unsettled}))


def _moved(flips: Path) -> int:
    return len(flips.read_text()) if flips.exists() else 0


@pytest.mark.slow
def test_no_pass_cries_wolf_on_sqlite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _never_cries_wolf(open_banks("sqlite", tmp_path), tmp_path, capsys)


@pytest.mark.services
@pytest.mark.slow
def test_no_pass_cries_wolf_on_postgresql(
    tmp_path: Path, postgres_database: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    _never_cries_wolf(open_banks("postgres", tmp_path, postgres_database), tmp_path, capsys)


def test_a_pass_ends_though_a_row_is_added_behind_each_chunk(tmp_path: Path) -> None:
    banks = open_banks("sqlite", tmp_path)
    actors.open_accounts(banks, range(1, ACCOUNTS + 1))
    capture(banks)
    actors.fill(banks)
    told: list[int] = []

    def add(_entity: str, keys: int) -> None:
        told.append(keys)
        assert len(told) < 20, "it follows the newest rows for ever"
        banks.legacy.write("INSERT INTO accounts (email, balance) VALUES (?, 1)", f"{len(told)}@new")
        banks.legacy.write("INSERT INTO transfers (account_id, amount) VALUES (1, 5)")
        actors.settle(banks)

    with sessions(actors.pair_of(banks), "verify") as both:
        assert verify(both.lane(), add, chunk=4).clean
    assert sum(told) >= ACCOUNTS


def _never_cries_wolf(banks: Banks, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    actors.open_accounts(banks, range(1, ACCOUNTS + 1))
    capture(banks)
    actors.fill(banks)
    with crew_of(banks, folder) as crew:
        crew.relay()
        crew.clerks(2, _PAUSE, _ROWS)
        flips = crew.flips(_REST)
        told = folder / "told"
        watch = crew.start("verify", lambda: _watch(banks, told, flips))
        watch.wait(within=SECONDS + 300)
        crew.end()
        assert crew.failed == [], crew.log
        assert told.exists(), f"it did not come to {_AT_LEAST} passes and {_FLIPS} flips"
        reckoned = crew.reckon()
    assert reckoned.clean, reckoned
    assert reckoned.acknowledged > 20
    assert _moved(flips) >= _FLIPS, "nobody flipped: this has shown less than it says"
    assert mismatches(banks) == 0
    with capsys.disabled():
        print(
            f"\n{banks.legacy.engine}: {told.read_text()}, 0 false alarms, {_moved(flips)} flips; {reckoned}"
        )
