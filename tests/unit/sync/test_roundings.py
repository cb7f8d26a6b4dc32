"""Which types may store a value as another one, as a table of pairs."""

from __future__ import annotations

import pytest

from sync.core.roundings import Typed, loss, rounding
from sync.core.values import Side

DECIMALS, DIGITS, PART = "rounds to 2 decimals", "keeps 15 digits", "rounds to 3 digits of a second"
# What is held, what is to hold it (on PostgreSQL unless it says SQLite), and what becomes of some values.
PAIRS = [
    ("numeric", "numeric(10,2)", DECIMALS),
    ("numeric(12,4)", "numeric(10,2)", DECIMALS),
    ("numeric(12,2)", "numeric(10,2)", ""),  # too great is refused
    ("numeric(12,4)", "numeric(10)", "rounds to 0 decimals"),
    ("numeric(12,4)", "numeric", ""),
    ("numeric(5)", "numeric(10,2)", ""),
    ("double precision", "numeric(10,2)", DECIMALS),
    ("real", "numeric(10,2)", DECIMALS),
    ("sqlite float", "numeric(10,2)", DECIMALS),
    ("sqlite decimal(10, 2)", "numeric(10,2)", DECIMALS),  # decoration: it may hold 1.005
    ("integer", "numeric(10,2)", ""),
    ("text", "numeric(10,2)", ""),
    ("numeric(10,2)", "sqlite numeric(8,1)", ""),
    ("numeric", "money", DECIMALS),
    ("money", "numeric(10,2)", ""),
    ("money", "numeric(10,1)", ""),  # nothing is known of it
    ("numeric", "integer", ""),  # refused
    ("numeric", "double precision", DIGITS),
    ("numeric(15,2)", "double precision", ""),
    ("numeric(16,2)", "float8", DIGITS),
    ("numeric", "sqlite float", DIGITS),
    ("numeric", "sqlite real", DIGITS),
    ("sqlite numeric", "double precision", ""),
    ("bigint", "double precision", DIGITS),
    ("integer", "double precision", ""),
    ("integer", "real", "keeps 6 digits"),
    ("double precision", "real", "keeps 6 digits"),
    ("sqlite real", "real", "keeps 6 digits"),
    ("sqlite real", "double precision", ""),
    ("real", "sqlite float", ""),
    ("timestamp without time zone", "timestamp(3) without time zone", PART),
    ("sqlite datetime", "timestamp(3) without time zone", PART),
    ("sqlite timestamp(3)", "timestamp(3) with time zone", PART),
    ("timestamp(3) with time zone", "timestamp(3) with time zone", ""),
    ("timestamp(0) with time zone", "timestamp(3) with time zone", ""),
    ("timestamp with time zone", "timestamp with time zone", ""),
    ("timestamp with time zone", "sqlite timestamp(3)", ""),
    ("text", "timestamp(3) without time zone", ""),
    ("time without time zone", "time(3) without time zone", PART),
    ("text", "character(5)", "fills texts up with spaces to 5"),
    ("character varying(5)", "character(5)", "fills texts up with spaces to 5"),
    ("character(4)", "character(5)", "fills texts up with spaces to 5"),
    ("character(5)", "character(5)", ""),
    ("sqlite char(5)", "character(5)", "fills texts up with spaces to 5"),
    ("sqlite char(32)", "character(32)", ""),
    ("uuid", "character(36)", ""),
    ("text", "bpchar", ""),
    ("text", "sqlite char(5)", ""),
    ("text", "character varying(5)", ""),
    ("public.odd type[]", "numeric(10,2)", ""),
    ("numeric", "public.odd type[]", ""),
]


def typed(said: str) -> Typed:
    """A column of the type; `sqlite` says on which engine."""
    kind = said.removeprefix("sqlite ")
    return Typed("postgresql" if kind == said else "sqlite", "orders", "total", kind)


@pytest.mark.parametrize(("source", "target", "says"), PAIRS)
def test_what_becomes_of_a_value(source: str, target: str, says: str) -> None:
    assert loss(typed(source), typed(target)) == says


def test_it_is_told_of_the_column_that_rounds_with_what_the_other_holds() -> None:
    found = rounding(Side.EXTRACTED, typed("sqlite float"), typed("numeric(10,2)"))
    assert found is not None
    assert not found.fatal
    assert found.where == "orders.total"
    assert found.what.startswith(
        "its type numeric(10,2) rounds to 2 decimals, and orders.total of the legacy side is float:"
    )
    assert rounding(Side.EXTRACTED, typed("integer"), typed("numeric(10,2)")) is None
