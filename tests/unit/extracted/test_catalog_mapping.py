"""From the monolith's rows to the catalog's, exactly or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extracted.catalog import answers, mapping
from extracted.catalog.schema import stable_id

BERLIN = ZoneInfo("Europe/Berlin")


def row(**changes: Any) -> Any:
    """A product as the monolith keeps it."""
    return {
        "id": 17,
        "category_id": 3,
        "sku": "SKU-000017",
        "slug": "weiße-tasse-17",
        "name": "Weiße Tasse 17",
        "search_name": "weiße tasse 17",
        "description": "schön",
        "price": 19.99,
        "currency": "EUR",
        "attributes": '[{"name": "weight_g", "value": 350}, {"name": "color", "value": "white"}]',
        "tags": "neu,öko",
        "updated_at": datetime(2026, 3, 1, 12, 0, 0, 999),
    } | changes


def test_a_product_is_mapped_field_by_field() -> None:
    assert mapping.product(row(), BERLIN) == {
        "id": stable_id("product", 17),
        "legacy_id": 17,
        "category_id": stable_id("category", 3),
        "legacy_category_id": 3,
        "sku": "SKU-000017",
        "slug": "weiße-tasse-17",
        "name": "Weiße Tasse 17",
        "name_folded": "weiße tasse 17",
        "description": "schön",
        "price_cents": 1999,
        "currency": "EUR",
        "attributes": [{"name": "weight_g", "value": 350}, {"name": "color", "value": "white"}],
        "tags": ["neu", "öko"],
        "updated_at": datetime(2026, 3, 1, 11, tzinfo=UTC),
    }


def test_ids_are_computed_from_kind_and_number() -> None:
    assert stable_id("product", 1) == stable_id("product", 1)
    assert len({stable_id("product", 1), stable_id("category", 1), stable_id("product", 2)}) == 3
    assert stable_id("product", 1).version == 5


@given(st.integers(0, 10**12))
def test_every_amount_of_cents_survives_the_way_there_and_back(cents: int) -> None:
    assert mapping.cents(cents / 100) == cents
    assert answers.price(cents) == cents / 100


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        (datetime(2026, 1, 15, 12), "2026-01-15T11:00:00Z"),
        (datetime(2026, 7, 15, 12), "2026-07-15T10:00:00Z"),
        (datetime(2026, 1, 1, 0, 30), "2025-12-31T23:30:00Z"),
        (datetime(2026, 10, 25, 2, 30), "2026-10-25T00:30:00Z"),  # occurs twice: the first
    ],
)
def test_local_time_becomes_an_instant(local: datetime, utc: str) -> None:
    assert answers.instant(mapping.instant(local, BERLIN)) == utc


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"price": 19.999}, "product 17 cannot be imported: its price 19.999 is no whole number of cents"),
        ({"price": 0.1 + 0.2}, "no whole number of cents"),
        ({"price": float("inf")}, "no amount"),
        ({"price": float("nan")}, "no amount"),
        ({"attributes": "{}"}, "its attributes are no list of objects"),
        ({"attributes": "[1]"}, "its attributes are no list of objects"),
        ({"attributes": "nonsense"}, "product 17 cannot be imported"),
    ],
)
def test_a_row_without_an_exact_counterpart_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(mapping.Unmappable, match=said):
        mapping.product(row(**changes), BERLIN)


@pytest.mark.parametrize(("text", "tags"), [("", []), ("neu", ["neu"]), ("a,,b,", ["a", "b"])])
def test_tags_are_split(text: str, tags: list[str]) -> None:
    assert mapping.product(row(tags=text), BERLIN)["tags"] == tags
