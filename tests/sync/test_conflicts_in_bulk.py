"""Every unique value of a table moves at once, while processes die; and indexes that make it hard."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

from sync.backfill import backfill
from sync.relay import sessions
from tests.contract.side_databases import Banks, open_banks
from tests.sync import actors
from tests.sync.conflict_world import World, emails, filled, ready, ring
from tests.sync.crew import capture, sized
from tests.sync.nursery import At, spawn


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def banks(request: pytest.FixtureRequest, tmp_path: Path) -> Banks:
    new = request.getfixturevalue("postgres_database") if request.param == "postgres" else None
    return open_banks(request.param, tmp_path, new)


BULK = sized(6_000, 12_000)  # the full size is three parts
DEATHS = (
    ("relay", "round.widened"),
    ("backfill", "round.widened"),
    ("backfill", "round.applied"),
    ("relay", "round.committed"),
)


@pytest.mark.slow
def test_a_bulk_update_of_every_unique_value_survives_deaths(banks: Banks, tmp_path: Path) -> None:
    """Parts of 5,000; each row is to get what the next has; a backfill beside, and a kill at each step."""
    filled(banks, BULK)
    capture(banks)
    actors.fill(banks)
    with sessions(actors.pair_of(banks), "relay") as both:
        world = World(banks, both)
        world.do(
            "UPDATE accounts SET email = 'away ' || email", "UPDATE accounts SET email = (id + 1) || '@x'"
        )
    for who, step in DEATHS:
        work = functools.partial(_work, banks, who, At(step))
        child = spawn(who, work, str(tmp_path / "log"))
        child.wait(within=300)
        assert child.killed, (who, step, (tmp_path / "log").read_text())
    with sessions(actors.pair_of(banks), "relay") as both:
        world = World(banks, both)
        results = world.settle()
        assert not any(each.held for each in results)
        world.check()
        assert emails(banks.extracted)[BULK] == f"{BULK + 1}@x"


def _work(banks: Banks, who: str, step: At) -> None:
    if who == "relay":
        actors.relay(banks, step)
    else:
        with sessions(actors.pair_of(banks), who) as both:
            backfill(both.lane(step=step), lambda *_: None, lambda _: False, anew=True)


_WITHOUT = "ALTER TABLE account DROP CONSTRAINT account_email_key; CREATE UNIQUE INDEX ON account "
HARD = {
    "a check that forbids what others would be parked at": (
        "ALTER TABLE account ADD CHECK (email LIKE '%@x')"
    ),
    "a unique index over an expression": f"{_WITHOUT} (lower(email))",
    "a unique index over some rows": f"{_WITHOUT} (email) WHERE balance >= 0 AND email LIKE '%@x'",
    "an index that asks for what is not mapped": (
        "ALTER TABLE account ADD extra text; CREATE UNIQUE INDEX ON account ((extra || email))"
    ),
    "a collation": """ALTER TABLE account ALTER email TYPE varchar(80) COLLATE "C" """,
    "a type that has no value to spare": "ALTER TABLE account ALTER email TYPE varchar(12)",
}


@pytest.mark.services
@pytest.mark.parametrize("case", HARD)
@pytest.mark.parametrize("limit", [1, 5000])
def test_values_change_places_on_postgresql_in_spite_of(
    case: str, limit: int, tmp_path: Path, postgres_database: Any
) -> None:
    banks = open_banks("postgres", tmp_path, postgres_database)
    banks.extracted.alter(HARD[case])
    with sessions(actors.pair_of(banks), "relay") as both:
        world = ready(banks, both)
        world.rename(ring(5))
        world.settle(limit)
        world.check()
