"""Deferrable constraints, which PostgreSQL does not enforce while a round applies: a round does it itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from sync.adapters.postgres.database import database
from sync.core.records import Settled
from sync.core.values import Change, Side, Value
from sync.errors import CannotApply
from tests.contract.side_databases import open_banks
from tests.contract.test_side_database_postgres_values import Pair, spec_of

pytestmark = pytest.mark.services
LATER = "DEFERRABLE INITIALLY DEFERRED"
COLUMNS = f"""id int PRIMARY KEY {LATER}, once int UNIQUE DEFERRABLE, a int, b text, UNIQUE (a, b) {LATER},
    nulls int, CONSTRAINT even_nulls UNIQUE NULLS NOT DISTINCT (nulls) {LATER},
    span int4range, EXCLUDE USING gist (span WITH &&) WHERE (id <> 9) {LATER},
    of int REFERENCES others {LATER}"""
NAMES = ("id", "once", "a", "b", "nulls", "span", "of")


@pytest.fixture
def pair(postgres_database: Any, tmp_path: Any) -> Iterator[Pair]:
    """Two databases with the table `things` of these constraints."""
    banks = open_banks("postgres", tmp_path, postgres_database)
    urls = (banks.legacy.url, banks.extracted.url)
    for url in urls:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as line:
            line.execute("SET ROLE bank_owner; CREATE TABLE others (id int PRIMARY KEY)")
    made = Pair(urls, spec_of(("id",), NAMES), COLUMNS)
    yield made
    made.close()


def rows(*given: dict[str, Value]) -> list[Change]:
    blank = dict.fromkeys(NAMES)
    return [
        Change("thing", (row["id"],), (row["id"],), {"things": blank | {"nulls": row["id"]} | row})
        for row in given
    ]


def tried(pair: Pair, changes: list[Change], number: int) -> set[object]:
    """The ids that are refused; the others are there afterwards."""
    refused: dict[Any, str] = {}
    with pair.sessions[1].begin_round("s", "relay", 1) as round_:
        try:
            round_.apply(changes, Settled(number, 0))
        except CannotApply as refusal:
            refused = refusal.problems
            round_.apply([each for each in changes if ("thing", each.key) not in refused], Settled(number, 0))
        round_.commit()
    return {key[0] for _, key in refused}


def test_what_a_deferrable_constraint_forbids_is_refused_and_the_rest_goes_on(pair: Pair) -> None:
    there = pair.owner[1]
    one: dict[str, Value] = {"id": 1, "once": 1, "a": 1, "b": "x", "span": "[1,5)"}
    assert tried(pair, rows(one), 1) == set()
    doubled: list[dict[str, Value]] = [
        {"id": 2, "once": 1},
        {"id": 3, "a": 1, "b": "x"},
        {"id": 4, "nulls": 1},
        {"id": 5, "span": "[4,6)"},
        {"id": 6, "of": 17},  # there is none
        {"id": 7, "once": 8},
        {"id": 8, "once": 8},  # the same as one that is new, too
    ]
    fine: list[dict[str, Value]] = [
        {"id": 9, "span": "[4,6)", "a": 1},
        {"id": 10, "span": "[5,6)", "a": 1, "nulls": None},
    ]
    assert tried(pair, rows(*doubled, *fine), 2) == {2, 3, 4, 5, 6, 8}
    assert there.execute("SELECT id FROM things ORDER BY id").fetchall() == [(1,), (7,), (9,), (10,)]
    assert tried(pair, rows({"id": 11, "nulls": None}), 3) == {11}, "to it two NULLs are the same"


def test_values_that_change_places_are_no_double(pair: Pair) -> None:
    assert tried(pair, rows({"id": 1, "once": 1}, {"id": 2, "once": 2}), 1) == set()
    assert tried(pair, rows({"id": 1, "once": 2}, {"id": 2, "once": 1}), 2) == set()
    assert tried(pair, rows({"id": 1, "once": 1}), 3) == {1}, "the other one still has it"


def test_a_table_of_nothing_but_a_deferrable_key_takes_rows(postgres_database: Any, tmp_path: Any) -> None:
    banks = open_banks("postgres", tmp_path, postgres_database)
    made = Pair(
        (banks.legacy.url, banks.extracted.url), spec_of(("id",), ("id",)), f"id int PRIMARY KEY {LATER}"
    )
    with closing(made):
        made.owner[0].execute("INSERT INTO things VALUES (1)")
        made.carry()
        made.owner[0].execute("UPDATE things SET id = id")
        made.carry()
        assert made.owner[1].execute("SELECT id FROM things").fetchall() == [(1,)]


def test_a_constraint_that_comes_later_is_noticed(pair: Pair) -> None:
    pair.owner[1].execute(f"ALTER TABLE things ADD UNIQUE (b) {LATER}")
    with pair.sessions[1].snapshot("s") as view:
        assert not view.stamp.whole


def test_one_that_a_partition_has_for_itself_is_refused(postgres_database: Any, tmp_path: Any) -> None:
    bank = open_banks("postgres", tmp_path, postgres_database).legacy
    bank.alter(f"""SET ROLE bank_owner;
        CREATE TABLE things (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
        CREATE TABLE low PARTITION OF things FOR VALUES FROM (0) TO (9);
        ALTER TABLE low ADD UNIQUE (v) {LATER}""")
    specs = {"s": spec_of(("id",), ("id", "v"))}
    with closing(
        database(bank.url.replace("postgres@", "bank_sync@"), Side.LEGACY, specs).session()
    ) as session:
        (found,) = [each for each in session.audit("s") if each.code == "deferrable"]
    assert found.fatal
    assert (found.where, "low_v_key" in found.what) == ("public.low", True)
    assert "low_v_key" in found.cure
