"""Values of columns across the seam: what comes back is what went, or nothing goes."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.core.conversions import CONVERSIONS
from sync.core.conversions import conversion

BERLIN = "instant:Europe/Berlin"
_LOCAL = st.datetimes(datetime(1900, 1, 2), datetime(9998, 12, 30))
_FLOATS = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-(10**15), 10**15).map(
    lambda n: n / 100
)
_DECIMALS = st.decimals(
    allow_nan=False, allow_infinity=False, places=2, min_value=-(10**18), max_value=10**18
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)

LEGACY: dict[str, st.SearchStrategy[Any]] = {
    "same": _JSON,
    "cents": _FLOATS | _DECIMALS | st.integers() | st.booleans() | st.text(max_size=3),
    "decimal": _FLOATS | st.integers() | st.text(max_size=3),
    BERLIN: _LOCAL | st.datetimes(timezones=st.just(UTC)) | st.text(max_size=3),
    "uuid:order": st.integers() | st.integers(0, 2**62 - 1) | st.booleans() | st.text(max_size=3),
    "json": _JSON.map(lambda value: json.dumps(value, ensure_ascii=False)) | st.text() | st.integers(),
    "list": st.text() | st.lists(st.text(max_size=2)).map(",".join) | st.integers(),
}
EXTRACTED: dict[str, st.SearchStrategy[Any]] = {
    "same": _JSON,
    "cents": st.integers() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.booleans(),
    "decimal": _DECIMALS | st.decimals() | st.text(max_size=3),
    BERLIN: st.datetimes(timezones=st.just(UTC)) | _LOCAL | st.integers(),
    "uuid:order": st.uuids() | st.integers(0, 2**62).map(lambda n: uuid.UUID(int=n)) | st.integers(),
    "json": _JSON | st.tuples(st.integers()) | st.dictionaries(st.integers(), st.integers(), max_size=2),
    "list": st.lists(st.text(max_size=4)) | st.text() | st.lists(st.integers(), max_size=2),
}


def _returns(go: Callable[[Any], Any], come: Callable[[Any], Any], value: Any) -> None:
    try:
        there = go(value)
    except ValueError:
        return
    again = come(there)
    assert again == value or (isinstance(value, float) and math.isnan(value) and again is value)


def test_every_conversion_that_a_plan_may_declare_is_proven_here() -> None:
    assert (
        {name.partition(":")[0] for name in LEGACY}
        == set(CONVERSIONS)
        == {name.partition(":")[0] for name in EXTRACTED}
    )


@pytest.mark.parametrize("declared", [name for name in LEGACY if name != "same"])
@given(data=st.data())
def test_what_goes_forward_comes_back(declared: str, data: st.DataObject) -> None:
    for exact in (False, True):
        each = conversion(declared, exact=exact)
        _returns(each.forward, each.backward, data.draw(LEGACY[declared]))


@pytest.mark.parametrize("declared", [name for name in EXTRACTED if name != "same"])
@given(data=st.data())
def test_what_goes_backward_comes_back(declared: str, data: st.DataObject) -> None:
    for exact in (False, True):
        each = conversion(declared, exact=exact)
        _returns(each.backward, each.forward, data.draw(EXTRACTED[declared]))


@pytest.mark.parametrize("declared", LEGACY)
def test_null_stays_null(declared: str) -> None:
    each = conversion(declared)
    assert each.forward(None) is None
    assert each.backward(None) is None


@given(cents=st.integers(-(10**13), 10**13))
def test_every_amount_of_a_shop_goes_both_ways(cents: int) -> None:
    assert conversion("cents").forward(cents / 100) == cents
    assert conversion("cents", exact=True).backward(cents) == Decimal(cents) / 100


@given(number=st.integers(0, 2**62 - 1))
def test_every_key_of_a_table_has_a_uuid_of_its_kind_alone(number: int) -> None:
    there = conversion("uuid:order").forward(number)
    assert (there.version, there.variant) == (8, uuid.RFC_4122)
    assert conversion("uuid:order").backward(there) == number
    assert there != conversion("uuid:line").forward(number)
    with pytest.raises(ValueError, match="no UUID of the kind 'line'"):
        conversion("uuid:line").backward(there)


@pytest.mark.parametrize(
    ("declared", "legacy", "extracted"),
    [
        ("same", "x", "x"),
        ("cents", 19.99, 1999),
        ("cents", 0.07, 7),
        ("cents", -12, -1200),
        ("decimal", 0.1, Decimal("0.1")),
        (BERLIN, datetime(2026, 7, 1, 12), datetime(2026, 7, 1, 10, tzinfo=UTC)),
        (BERLIN, datetime(2026, 1, 1, 12), datetime(2026, 1, 1, 11, tzinfo=UTC)),
        (BERLIN, datetime(2026, 10, 25, 2, 30), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("json", '{"a": [1, 2.5, null, "ä"]}', {"a": [1, 2.5, None, "ä"]}),
        ("list", "", []),
        ("list", "a,,b", ["a", "", "b"]),
    ],
)
def test_this_is_that(declared: str, legacy: Any, extracted: Any) -> None:
    each = conversion(declared)
    assert each.forward(legacy) == extracted
    assert each.backward(extracted) == legacy


def test_an_instant_may_be_told_in_any_zone() -> None:
    told = datetime(2026, 7, 1, 15, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert conversion(BERLIN).backward(told) == datetime(2026, 7, 1, 12)


@pytest.mark.parametrize(
    ("declared", "value", "why"),
    [
        ("cents", 0.001, "no whole number of hundredths"),
        ("cents", 1e300, "no whole number of hundredths"),
        ("cents", math.nan, "no finite number"),
        ("cents", True, "no number"),
        ("decimal", math.inf, "no finite number"),
        (BERLIN, datetime(2026, 3, 29, 2, 30), "would come back"),
        (BERLIN, datetime(2026, 1, 1, tzinfo=UTC), "no local time"),
        (BERLIN, datetime(1, 1, 1), "cannot be converted"),
        ("uuid:order", -1, "no whole number from 0"),
        ("json", '{"a":1}', "would come back from 'json' as"),
        ("json", '{"a": 1, "a": 1}', "would come back"),
        ("json", "NaN", "is no JSON"),
        ("json", "[" * 100_000, "cannot be converted"),
        ("list", 5, "no text"),
    ],
)
def test_what_would_not_come_back_is_refused(declared: str, value: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        conversion(declared).forward(value)


@pytest.mark.parametrize(
    ("declared", "value", "why"),
    [
        ("cents", 2**62 + 1, "would come back"),
        ("cents", 1.5, "no whole number"),
        ("decimal", Decimal("0.10000000000000000001"), "would come back"),
        (BERLIN, datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "would come back"),
        (BERLIN, datetime(2026, 1, 1), "no instant"),
        ("uuid:order", uuid.UUID(int=5), "no UUID of the kind"),
        ("list", ["a,b"], "would come back"),
        ("list", [""], "would come back"),
        ("list", "ab", "no list"),
    ],
)
def test_what_the_service_made_and_legacy_cannot_keep_is_refused(declared: str, value: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        conversion(declared).backward(value)


def test_json_with_other_spaces_means_the_same() -> None:
    each = conversion("json")
    assert each.meaning('{"b":1,"a":2}') == each.meaning('{"a": 2, "b": 1}')
    assert conversion("list").meaning("a,b") != conversion("list").meaning("a, b")


def test_an_error_shows_no_more_than_the_beginning_of_a_value() -> None:
    with pytest.raises(ValueError) as caught:
        conversion("json").forward("x" * 10_000)
    assert len(str(caught.value)) < 250


def test_an_unknown_conversion_is_a_defect_of_the_checker() -> None:
    with pytest.raises(ValueError, match="no conversion"):
        conversion("guess")
