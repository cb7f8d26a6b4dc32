"""The order service writes what the mapping reads: amounts, moments, and whole orders."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extracted.orders.amounts import kept, prices, told, told_time
from extracted.orders.rows import Line, Wanted, beside, order_row
from extracted.orders.schema import utc_now
from tests.unit.extracted.test_sample_mappings import amounts, orders

BERLIN = ZoneInfo("Europe/Berlin")
lines = st.lists(
    st.builds(Line, st.integers(1, 10**6), st.integers(1, 99), amounts, st.just("Tasse"), st.none()),
    min_size=1,
    max_size=4,
)
texts = st.none() | st.text(max_size=9)


@given(amount=amounts)
def test_an_amount_is_kept_as_the_mapping_keeps_it(amount: float) -> None:
    assert kept("total", amount) == orders.money("total", amount)
    assert told(kept("total", amount), "total") == amount


@given(
    wanted=st.builds(
        Wanted, st.integers(1, 9), st.none() | st.integers(1, 9), st.sampled_from(["card", "invoice"]),
        lines.map(tuple), amounts, amounts, amounts, texts, st.none(), texts,
    )
)  # fmt: skip
def test_an_order_that_is_placed_here_goes_to_the_monolith_and_comes_back_the_same(wanted: Wanted) -> None:
    order = order_row(wanted, 7, utc_now())
    mappings = {"orders": orders.order, "order_lines": orders.line, "payments": orders.payment}
    for table, rows in beside(wanted, order, 8, list(range(9, 9 + len(wanted.lines)))):
        for row in rows:
            legacy: dict[str, Any] = mappings[table].backward(row)
            assert mappings[table].forward(legacy) == row
            assert legacy.get("order_id", 7) == 7


@pytest.mark.parametrize(
    ("local", "said"),
    [
        (datetime(2026, 3, 1, 12, 0, 5), "2026-03-01T12:00:05"),
        (datetime(2026, 3, 29, 2, 30), "2026-03-29T02:30:00"),  # the clocks skipped it
        (datetime(2026, 10, 25, 2, 30), "2026-10-25T02:30:00"),  # the clocks showed it twice
    ],
)
def test_a_moment_is_told_as_the_monolith_wrote_it(local: datetime, said: str) -> None:
    assert told_time(orders.moment("placed", local), "placed", BERLIN) == said


@pytest.mark.parametrize(
    ("goods", "postage", "expected"),
    [
        ([(19.99, 2)], 4.9, (4.9, 44.879999999999995)),
        ([(49.99, 1)], 9.9, (9.9, 59.89)),
        ([(25.0, 2)], 9.9, (0.0, 50.0)),
        ([(0.0, 3)], 4.9, (0.0, 0.0)),
        ([(0.1, 1), (0.2, 1)], 0.0, (0.0, 0.30000000000000004)),
    ],
)
def test_postage_is_free_from_fifty_and_nothing_is_rounded(
    goods: list[tuple[float, int]], postage: float, expected: tuple[float, float]
) -> None:
    assert prices(goods, postage) == expected
