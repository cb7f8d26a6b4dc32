"""The mappings of the sample's slices: exact both ways, or refused with the reason."""

from __future__ import annotations

import importlib.util
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from extracted.catalog import schema as catalog_schema
from extracted.orders import schema as orders_schema

SLICES = Path(__file__).parents[3] / "slices"


def mappings(name: str) -> ModuleType:
    """A file of mappings, loaded by its path as the framework does it."""
    spec = importlib.util.spec_from_file_location(f"mappings_{name}", SLICES / "mappings" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


orders, catalog = mappings("orders"), mappings("catalog")

ids = st.integers(1, 2**31 - 1)
text = st.text(max_size=20)
amounts = st.one_of(
    st.integers(-(10**9), 10**9).map(lambda cents: cents / 100),
    st.floats(-1e12, 1e12),
    st.sampled_from([0.0, 109.05000000000001, 0.1 + 0.2, 19.995, 1e-9, 0.005]),
)
# Berlin skipped 2:00–3:00 on this day, and lived 2:00–3:00 twice on the other.
SKIPPED, TWICE = datetime(2026, 3, 29, 2, 30), datetime(2026, 10, 25, 2, 30)
times = st.one_of(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)),
    st.sampled_from([SKIPPED, TWICE, datetime(2026, 3, 29, 2, 0), datetime(2026, 10, 25, 3, 0)]),
)
instants = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)
attribute_texts = st.builds(
    lambda value, plain, blanks: json.dumps(value, ensure_ascii=plain, indent=blanks),
    st.lists(st.dictionaries(text, json_values, max_size=3), max_size=3),
    st.booleans(),
    st.sampled_from([None, 1]),
)

NOON = datetime(2026, 3, 1, 12)
STATUS = st.sampled_from(["new", "paid", "shipped", "cancelled", "x"])
ROWS: dict[str, tuple[Any, Any, dict[str, st.SearchStrategy[Any]]]] = {
    "order": (
        orders.order,
        orders_schema.orders,
        {
            "id": ids, "customer_id": ids, "address_id": st.none() | ids, "status": STATUS,
            "coupon_code": st.none() | text, "client_reference": st.none() | text,
            "discount": amounts, "shipping": amounts, "total": amounts, "placed_at": times,
        },
    ),
    "line": (
        orders.line,
        orders_schema.order_lines,
        {"id": ids, "order_id": ids, "product_id": ids, "quantity": ids, "unit_price": amounts},
    ),
    "payment": (
        orders.payment,
        orders_schema.payments,
        {
            "id": ids, "order_id": ids, "method": text, "status": STATUS, "amount": amounts,
            "created_at": times,
        },
    ),
    "invoice": (
        orders.invoice,
        orders_schema.invoices,
        {"id": ids, "order_id": ids, "number": text, "total": amounts, "issued_at": times},
    ),
    "stock": (
        orders.stock,
        orders_schema.stock,
        {"product_id": ids, "quantity": ids, "restock_note": st.none() | text, "updated_at": times},
    ),
    "category": (catalog.category, catalog_schema.categories, {"id": ids, "slug": text, "name": text}),
    "product": (
        catalog.product,
        catalog_schema.products,
        {
            "id": ids, "category_id": ids, "sku": text, "slug": text, "name": text, "description": text,
            "currency": text, "search_name": text, "price": amounts, "attributes": attribute_texts,
            "tags": st.text(alphabet="ab,ö ", max_size=12), "updated_at": times,
        },
    ),
}  # fmt: skip


def row(entity: str, **changes: Any) -> dict[str, Any]:
    """A row of the monolith that nobody finds remarkable."""
    plain = {
        "id": 17, "order_id": 4, "customer_id": 3, "address_id": None, "category_id": 2, "product_id": 5,
        "quantity": 2, "price": 19.99, "unit_price": 19.99, "discount": 0.0, "shipping": 4.9,
        "total": 44.88, "amount": 44.88, "attributes": '[{"name": "weight_g", "value": 350}]',
        "tags": "neu,öko", "coupon_code": None, "client_reference": None, "restock_note": None,
        "placed_at": NOON, "created_at": NOON, "issued_at": NOON, "updated_at": NOON,
    }  # fmt: skip
    return {name: plain.get(name, "text") for name in ROWS[entity][2]} | changes


@pytest.mark.parametrize("entity", ROWS)
@given(data=st.data())
def test_there_and_back_again_is_the_same_row(entity: str, data: st.DataObject) -> None:
    mapping, _, columns = ROWS[entity]
    before = data.draw(st.fixed_dictionaries(columns))
    after = mapping.forward(before)
    assert mapping.backward(after) == before
    assert mapping.forward(mapping.backward(after)) == after
    assert "same" not in vars(type(mapping)) or mapping.same(after, after)


@pytest.mark.parametrize("entity", ROWS)
def test_the_columns_that_are_named_are_those_that_are_mapped(entity: str) -> None:
    mapping, table, columns = ROWS[entity]
    assert set(mapping.LEGACY_COLUMNS) == set(columns)
    assert set(mapping.EXTRACTED_COLUMNS) == set(mapping.forward(row(entity)))
    assert set(mapping.EXTRACTED_COLUMNS) == {column.name for column in table.columns}


@given(instant=instants)
@example(instant=datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
@example(instant=datetime(2026, 10, 25, 1, 30, tzinfo=UTC))
def test_an_instant_of_the_service_comes_back_as_far_as_a_local_time_can_tell(instant: datetime) -> None:
    written = orders.order.forward(row("order")) | {"placed_at": instant}
    again = orders.order.forward(orders.order.backward(written))
    assert orders.order.same(again, written)
    assert again == written or again["placed_at"] == instant - timedelta(hours=1)


@pytest.mark.parametrize(
    ("local", "instant", "kept"),
    [
        (datetime(2026, 7, 1, 12), datetime(2026, 7, 1, 10, tzinfo=UTC), None),
        (TWICE, datetime(2026, 10, 25, 0, 30, tzinfo=UTC), None),
        (SKIPPED, datetime(2026, 3, 29, 1, 30, tzinfo=UTC), SKIPPED),
    ],
)
def test_local_times_become_instants(local: datetime, instant: datetime, kept: datetime | None) -> None:
    assert orders.moment("placed", local) == {"placed_at": instant, "placed_local": kept}


@pytest.mark.parametrize(
    ("amount", "cents", "kept"),
    [
        (19.99, 1999, None),
        (0.29, 29, None),
        (-4.9, -490, None),
        (109.05000000000001, 10905, 109.05000000000001),
        (19.995, 2000, 19.995),
        (0.1 + 0.2, 30, 0.30000000000000004),
    ],
)
def test_floats_become_cents(amount: float, cents: int, kept: float | None) -> None:
    assert orders.money("total", amount) == {"total_cents": cents, "total_exact": kept}
    assert catalog.price(amount) == {"price_cents": cents, "price_exact": kept}


@pytest.mark.parametrize(
    ("entity", "changes", "why"),
    [
        ("order", {"total": float("nan")}, "total is nan, which is no amount of money"),
        ("order", {"total": float("inf")}, "no amount of money"),
        ("order", {"total": 1e300}, "no amount of money"),
        ("order", {"total": "4.90"}, "total is '4.90', which is no amount"),
        ("order", {"total": None}, "no amount"),
        ("order", {"total": True}, "no amount"),
        ("order", {"placed_at": "2026-03-01"}, "no local time"),
        ("order", {"placed_at": datetime(2026, 3, 1, tzinfo=UTC)}, "no local time"),
        ("order", {"placed_at": datetime(1, 1, 1)}, "beyond what a calendar holds"),
        ("order", {"id": "17"}, "the id '17' is no whole number"),
        ("line", {"order_id": None}, "the id None is no whole number"),
        ("product", {"price": float("nan")}, "no amount of money"),
        ("product", {"price": b"1"}, "no amount"),
        ("product", {"updated_at": None}, "no local time"),
        ("product", {"updated_at": datetime(1, 1, 1)}, "beyond what a calendar holds"),
        ("product", {"attributes": "{}"}, "no list of objects"),
        ("product", {"attributes": "[1]"}, "no list of objects"),
        ("product", {"attributes": "[{"}, "attributes cannot be read"),
        ("product", {"attributes": '[{"a": NaN}]'}, "NaN is no number"),
        ("product", {"attributes": "[" * 100_000}, "attributes cannot be read"),
        ("product", {"attributes": None}, "no text"),
        ("product", {"tags": 7}, "no text"),
    ],
)
def test_a_row_without_a_counterpart_is_refused_with_the_reason(
    entity: str, changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        ROWS[entity][0].forward(row(entity, **changes))


@pytest.mark.parametrize(
    ("entity", "changes", "why"),
    [
        ("order", {"legacy_id": 18}, "is not the id of order 18"),
        ("line", {"legacy_order_id": 18}, "is not the id of order 18"),
        (
            "order",
            {"total_exact": 1.0},
            "total_cents is 4488 and total_exact 1.0, which contradict each other",
        ),
        ("order", {"total_exact": 44.88}, "contradict"),
        ("order", {"placed_local": SKIPPED}, "contradict"),
        ("order", {"placed_at": datetime(2026, 3, 1)}, "no instant"),
        ("order", {"placed_at": datetime.max.replace(tzinfo=UTC)}, "beyond what a calendar holds"),
        ("product", {"price_exact": 1.0}, "a value contradicts the spelling that is kept beside it"),
        ("product", {"tags_text": "alt"}, "contradicts"),
        ("product", {"attributes_text": "[]"}, "contradicts"),
        ("product", {"updated_local": SKIPPED}, "contradicts"),
        ("product", {"legacy_category_id": 9}, "is not the id of category 9"),
    ],
)
def test_a_row_of_the_service_that_contradicts_itself_is_refused(
    entity: str, changes: dict[str, Any], why: str
) -> None:
    mapping = ROWS[entity][0]
    with pytest.raises(ValueError, match=why):
        mapping.backward(mapping.forward(row(entity)) | changes)


@pytest.mark.parametrize("entity", ["order", "product"])
@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"status": "lost", "slug": "other"}, False),
        ({"placed_at": None, "updated_at": None}, False),
        ({"placed_at": datetime(2026, 3, 1, 11), "updated_at": datetime(2026, 3, 1, 11)}, False),
    ],
)
def test_only_an_hour_that_occurs_twice_is_forgiven(entity: str, changes: dict[str, Any], same: bool) -> None:
    mapping = ROWS[entity][0]
    whole = mapping.forward(row(entity))
    changed = whole | {name: value for name, value in changes.items() if name in whole}
    assert mapping.same(whole, changed) is same
    assert not mapping.same(whole, {})
