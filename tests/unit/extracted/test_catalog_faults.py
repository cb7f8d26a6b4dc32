"""The planted faults: what each does, how a set of them is named, and the switch that workers share."""

from __future__ import annotations

import os
import warnings
from typing import Any

import pytest

from extracted.catalog import faults, settings
from extracted.catalog.errors import CatalogError
from extracted.catalog.faults import NONE, Fault


def product(**changes: Any) -> dict[str, Any]:
    """A product's answer as far as faults look at it."""
    return {
        "id": 12,
        "price": 19.99,
        "in_stock": True,
        "restock_note": None,
        "attributes": [{"name": "weight_g", "value": 350}, {"name": "color", "value": "blue"}],
    } | changes


def test_without_faults_nothing_changes() -> None:
    assert faults.spoil(product(id=57, in_stock=False), NONE) == product(id=57, in_stock=False)


def test_the_type_fault_makes_the_first_value_a_string() -> None:
    stored = product()
    spoiled = faults.spoil(dict(stored), Fault.TYPE)
    assert spoiled["attributes"] == [{"name": "weight_g", "value": "350"}, {"name": "color", "value": "blue"}]
    assert stored == product()


@pytest.mark.parametrize(
    ("number", "right", "wrong"),
    [(7, 19.99, 19.98), (57, 0.99, 0.98), (107, 100.0, 99.99), (8, 19.99, 19.99), (50, 19.99, 19.99)],
)
def test_the_rounding_fault_loses_a_cent_on_one_product_in_fifty(
    number: int, right: float, wrong: float
) -> None:
    assert faults.spoil(product(id=number, price=right), Fault.ROUNDING)["price"] == wrong


def test_the_missing_fault_drops_the_note_of_what_is_sold_out() -> None:
    assert "restock_note" not in faults.spoil(product(in_stock=False, restock_note="soon"), Fault.MISSING)
    assert faults.spoil(product(), Fault.MISSING) == product()


def test_a_set_of_faults_has_one_name_in_any_order() -> None:
    chosen = faults.parse(["type", "rounding", "missing", "type"])
    assert faults.build_id("catalog-1", chosen) == "catalog-1+faults.missing.rounding.type"
    assert faults.build_id("catalog-1", NONE) == "catalog-1"
    assert faults.parse(faults.names(chosen)) == chosen


def test_an_unknown_fault_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="there is no fault 'typo'; choose from missing, rounding, type"):
        faults.parse(["typo"])


def test_a_forked_worker_sees_what_is_switched_after_the_fork() -> None:
    switch = faults.Switch()
    ask, asked = os.pipe()
    answer, answered = os.pipe()
    with warnings.catch_warnings(
        action="ignore"
    ):  # another test's threads do not matter: the child makes none
        child = os.fork()
    if child == 0:
        os.read(ask, 1)
        os.write(answered, bytes([int(switch.get())]))
        os._exit(0)
    switch.set(Fault.TYPE | Fault.MISSING)
    os.write(asked, b".")
    assert Fault(os.read(answer, 1)[0]) == Fault.TYPE | Fault.MISSING
    os.waitpid(child, 0)
    for end in (ask, asked, answer, answered):
        os.close(end)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, settings.Settings("catalog-1", False, NONE)),
        ({"CATALOG_BUILD": "v7", "CATALOG_DEMO": "1"}, settings.Settings("v7", True, NONE)),
        ({"CATALOG_DEMO": "1", "CATALOG_FAULTS": "type,"}, settings.Settings("catalog-1", True, Fault.TYPE)),
        ({"CATALOG_DEMO": "yes", "CATALOG_FAULTS": ""}, settings.Settings("catalog-1", False, NONE)),
    ],
)
def test_settings_are_read_from_the_environment(
    environment: dict[str, str], expected: settings.Settings
) -> None:
    assert settings.from_environment(environment) == expected


@pytest.mark.parametrize(
    "environment",
    [
        {"CATALOG_FAULTS": "type"},
        {"CATALOG_FAULTS": "typo", "CATALOG_DEMO": "1"},
        {"CATALOG_BUILD": "has space"},
        {"CATALOG_BUILD": "two\nlines"},
        {"CATALOG_BUILD": "Küche"},
    ],
)
def test_settings_that_contradict_are_refused(environment: dict[str, str]) -> None:
    with pytest.raises(CatalogError):
        settings.from_environment(environment)
