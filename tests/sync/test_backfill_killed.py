"""A backfill is killed ten times and finishes; a changed table stops it, with a word about how to go on."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sync import capture as capturing
from sync.backfill import backfill
from sync.core.values import Side
from sync.errors import SliceStopped
from sync.relay import Sessions, sessions
from sync.rounds import Work, run_round
from sync.verify import verify
from tests.contract.side_databases import BANK, Banks, open_banks
from tests.sync import actors
from tests.sync.crew import capture, crew_of, fill_legacy, rows_of, sized
from tests.sync.nursery import At

ROWS = sized(30_000, 1_000_000)
KILLS = 10
# Before, in and after the transaction that keeps where the walk stands, and before the authority hears of it.
STEPS = ("round.snapshot", "round.applied", "round.committed", "round.acknowledged")


@pytest.mark.slow
def test_a_backfill_that_dies_ten_times_finishes_on_sqlite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _finishes(open_banks("sqlite", tmp_path), tmp_path, capsys)


@pytest.mark.services
@pytest.mark.slow
def test_a_backfill_that_dies_ten_times_finishes_on_postgresql(
    tmp_path: Path, postgres_database: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    _finishes(open_banks("postgres", tmp_path, postgres_database), tmp_path, capsys)


def _finishes(banks: Banks, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill_legacy(banks, ROWS)
    capture(banks)
    stood = [0]
    with crew_of(banks, folder) as crew:
        crew.relay()
        crew.clerks(1, pause=0.02)
        for step in itertools.islice(itertools.cycle(STEPS), KILLS):
            child = crew.start("backfill", lambda step=step: actors.fill(banks, At(step, 2)))  # type: ignore[misc]
            child.wait(within=300)
            assert child.killed, f"it never came to {step} twice: {crew.log}"
            stood.append(_done(banks))
        assert stood == sorted(stood), "a kill threw the walk back"
        assert stood[-1] >= KILLS * 25, stood  # each life settled a chunk before it died
        actors.fill(banks)
        crew.end()
        assert crew.failed == [], crew.log
        reckoned = crew.reckon()
    assert reckoned.clean, reckoned
    assert rows_of(banks, Side.LEGACY) == rows_of(banks, Side.EXTRACTED)
    with capsys.disabled():
        print(
            f"\n{banks.legacy.engine}: {sum(rows_of(banks, Side.LEGACY)):,} rows, "
            f"stood at {stood}; {reckoned}"
        )


def _done(banks: Banks) -> int:
    with closing(banks.extracted.session()) as session:
        return sum(each.done for each in session.progress(BANK) if each.walk == "backfill")


# -- a schema change in the middle -----------------------------------------------------------------------

CHANGE = "ALTER TABLE accounts ADD COLUMN loyalty INTEGER"


@pytest.mark.slow
def test_a_changed_table_stops_a_backfill_and_installing_again_lets_it_go_on_on_sqlite(
    tmp_path: Path,
) -> None:
    _stops_and_goes_on(open_banks("sqlite", tmp_path))


@pytest.mark.services
def test_a_changed_table_stops_a_backfill_and_installing_again_lets_it_go_on_on_postgresql(
    tmp_path: Path, postgres_database: Callable[[], str]
) -> None:
    _stops_and_goes_on(open_banks("postgres", tmp_path, postgres_database))


def _stops_and_goes_on(banks: Banks) -> None:
    fill_legacy(banks, 5000)
    capture(banks)
    with sessions(actors.pair_of(banks), "desk") as both:
        with pytest.raises(
            SliceStopped, match="tables or triggers of the legacy side are not as capture"
        ) as why:
            _fill(both, lambda: banks.legacy.alter(CHANGE))
        assert "strangler capture install bank" in str(why.value)
        stood = _done(banks)
        assert stood > 0
        with pytest.raises(SliceStopped):
            run_round(both.lane(), Work())  # the relay stops as well: nothing is read half
        banks.legacy.write("UPDATE accounts SET loyalty = 3, balance = 102 WHERE id = 1001")
        both.forget()
        capturing.install(both)  # the cure that the sentence named
        rows = _fill(both, lambda: None)
        assert rows < sum(rows_of(banks, Side.LEGACY)), "it began again from the start"
        while run_round(both.lane(), Work()).marks:
            pass
        assert verify(both.lane()).clean
    assert rows_of(banks, Side.LEGACY) == rows_of(banks, Side.EXTRACTED)
    assert banks.extracted.read("SELECT count(*) FROM account WHERE balance = 102") == [(1,)]


def _fill(both: Sessions, in_the_middle: Callable[[], None]) -> int:
    """How many rows; `in_the_middle` happens once, after the first chunk."""
    todo = [in_the_middle]

    def tell(_entity: str, _done: int, _total: int) -> None:
        if todo:
            todo.pop()()

    return backfill(both.lane(), tell, lambda _seconds: False).rows
