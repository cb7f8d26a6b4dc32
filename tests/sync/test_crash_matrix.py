"""Each cell of the crash matrix is one test: whoever is hit wherever, nothing is lost or doubled."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from sync.procedure import ABORT_STEPS, STEPS
from tests.contract.side_databases import open_banks
from tests.sync.cells import Play
from tests.sync.matrix import Cell, cells

CELLS = list(cells(STEPS, ABORT_STEPS))
# PostgreSQL: a tenth a day, another one each day; all of them with MATRIX=all (make chaos).
TENTH = CELLS if os.environ.get("MATRIX") == "all" else CELLS[date.today().toordinal() % 10 :: 10]


def _holds(play: Play, cell: Cell) -> None:
    played = play.run()
    assert played.reckoning.clean, played.reckoning
    assert played.reckoning.acknowledged > 0
    assert played.held == 0
    assert played.differences == []
    assert played.hit, f"{cell.actor} never came to {cell.step}: the cell proves nothing"


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_nothing_is_lost_on_sqlite(cell: Cell, tmp_path: Path) -> None:
    _holds(Play(open_banks("sqlite", tmp_path), tmp_path, cell), cell)


@pytest.mark.services
@pytest.mark.parametrize("cell", TENTH, ids=str)
def test_nothing_is_lost_on_postgresql(
    cell: Cell, tmp_path: Path, postgres_database: Callable[[], str]
) -> None:
    _holds(Play(open_banks("postgres", tmp_path, postgres_database), tmp_path, cell), cell)
