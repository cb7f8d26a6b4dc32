"""When two rows are equal."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sync.core.values import Odd, Rows, alike, equal


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1, True),
        (1, 2, False),
        (True, 1, True),  # columns have types of their own: there it is a spelling
        ({"a": True}, {"a": True}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": 0}, {"a": False}, False),
        ({"a": 1}, {"a": 1.0}, True),
        ([{"a": [True]}], [{"a": [1]}], False),
        ([{"a": [True]}, None], [{"a": [True]}, None], True),
        ({"a": 1}, {"a": 1, "b": 1}, False),
        (float("nan"), float("nan"), True),  # what is stored as a NaN came over as one
        (Decimal("nan"), Decimal("nan"), True),
        (Decimal("nan"), Decimal(1), False),
        (Decimal("snan"), Decimal("snan"), False),
    ],
)
def test_values_are_compared_as_the_databases_hold_them(one: object, other: object, same: bool) -> None:
    assert alike(one, other) is same
    here: Rows = {"t": {"id": 7, "value": one}, "further": None}
    there: Rows = {"t": {"id": 7, "value": other}, "further": None}
    assert equal(here, there) is same


def test_rows_of_other_tables_or_columns_differ_even_where_they_hold_a_nan() -> None:
    nan: Rows = {"t": {"id": 7, "value": float("nan")}}
    assert not equal(nan, {"t": {"id": 7}})
    assert not equal(nan, {"t": None})
    assert not equal({"t": None}, nan)
    assert not equal(nan, {"u": {"id": 7, "value": float("nan")}})


def test_a_key_that_names_nothing_is_shown_as_it_is_spelled() -> None:
    assert str(Odd("[null]")) == "[null]"
