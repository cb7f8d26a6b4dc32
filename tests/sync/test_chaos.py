"""Processes die at random moments while clerks write: what they were told is done is done, on both sides."""

from __future__ import annotations

import re

import pytest

from tests.sync import chaos

KILLS = 120


def _goes_well(engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = chaos.main(["--kills", str(KILLS), "--engine", engine])
    said = capsys.readouterr().out
    assert code == 0, said
    form = r"kills=(\d+) acknowledged=(\d+) lost=0 doubled=0 resurrected=0 mismatched=0"
    last = re.fullmatch(form, said.splitlines()[-1])
    assert last is not None, said
    assert int(last[1]) >= KILLS
    assert int(last[2]) > KILLS


@pytest.mark.slow
def test_a_hundred_and_twenty_deaths_lose_nothing_on_sqlite(capsys: pytest.CaptureFixture[str]) -> None:
    _goes_well("sqlite", capsys)


@pytest.mark.services
def test_a_hundred_and_twenty_deaths_lose_nothing_on_postgresql(capsys: pytest.CaptureFixture[str]) -> None:
    _goes_well("postgres", capsys)
