"""A slice is a transaction boundary: a foreign key across it stops a flip until somebody has settled it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from sync.core.values import Side
from sync.errors import Refused
from sync.flip import flip
from sync.relay import sessions
from tests.contract.side_databases import BANK, SPEC, Banks, open_banks
from tests.sync import actors, chaos

OUTSIDE = "CREATE TABLE cards (id INTEGER PRIMARY KEY, account_id INTEGER REFERENCES accounts)"


@pytest.fixture
def banks(tmp_path: Path) -> Banks:
    found = open_banks("sqlite", tmp_path)
    found.legacy.alter(OUTSIDE)
    chaos.prepare(found)
    return found


def test_a_flip_is_refused_while_a_table_outside_refers_into_the_slice(banks: Banks) -> None:
    with sessions(actors.pair_of(banks), "test") as both:
        with pytest.raises(Refused, match=r"cards.*accept_split"):
            flip(both, Side.EXTRACTED, unverified=True)
        assert both.on(Side.LEGACY).fence_open(BANK)


def test_it_is_flipped_once_the_plan_accepts_the_split(banks: Banks, tmp_path: Path) -> None:
    from sync.adapters.sqlite.database import database

    accepted = dataclasses.replace(SPEC, accepted_splits=frozenset({"cards"}))
    pair = dataclasses.replace(
        actors.pair_of(banks),
        spec=accepted,
        legacy=database(banks.legacy.url, Side.LEGACY, {BANK: accepted}),
        extracted=database(banks.extracted.url, Side.EXTRACTED, {BANK: accepted}),
    )
    with sessions(pair, "test") as both:
        assert flip(both, Side.EXTRACTED, unverified=True).moved
        assert flip(both, Side.LEGACY, unverified=True).moved
