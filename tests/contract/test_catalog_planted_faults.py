"""The planted faults are switched at run time, in every thread, and change what they say and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.contract.catalog_samples import (
    PRODUCTS,
    Pair,
    assert_equal,
    both,
    exactly,
    fill,
    in_files,
    in_utc,
    run,
)

FAULTS = ("missing", "rounding", "type")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("faults")
    fill(in_files(folder))
    with both(in_files(folder), folder) as pair:
        yield pair


@pytest.fixture
def pair(samples: Pair) -> Iterator[Pair]:
    samples.plant()
    yield samples
    samples.plant()


def spoiled_by_type(answer: dict[str, Any]) -> None:
    answer["attributes"][0]["value"] = str(answer["attributes"][0]["value"])


def spoiled_by_rounding(answer: dict[str, Any]) -> None:
    if answer["id"] % 50 == 7:
        answer["price"] = round(answer["price"] - 0.01, 2)


def spoiled_by_missing(answer: dict[str, Any]) -> None:
    if not answer["in_stock"]:
        del answer["restock_note"]


@pytest.mark.parametrize(
    ("name", "spoil", "touched"),
    [
        ("type", spoiled_by_type, PRODUCTS),
        ("rounding", spoiled_by_rounding, PRODUCTS // 50),
        ("missing", spoiled_by_missing, PRODUCTS // 12),
    ],
)
def test_a_planted_fault_changes_its_field_and_nothing_else(
    pair: Pair, name: str, spoil: Any, touched: int
) -> None:
    pair.plant(name)
    different = 0
    for number in range(1, PRODUCTS + 1):
        old, new = pair.ask(f"/api/products/{number}")
        expected = in_utc(old.json())
        clean = exactly(expected)
        spoil(expected)
        assert exactly(new.json()) == exactly(expected)
        assert new.headers["X-Build"] == f"catalog-1+faults.{name}"
        different += exactly(new.json()) != clean
    assert different == touched


@pytest.mark.parametrize(
    "path", ["/api/products?per_page=100", "/api/categories", "/api/categories/garten", "/api/search?q=a"]
)
def test_faults_are_planted_in_no_other_route(pair: Pair, path: str) -> None:
    pair.plant(*FAULTS)
    assert_equal(*pair.ask(path))


def test_a_switched_fault_reaches_every_thread_at_once(pair: Pair) -> None:
    """More connections than the service has threads: an answer never names a build it was not made by."""
    clients = [httpx.Client(base_url=pair.catalog_url, trust_env=False) for _ in range(12)]
    for faults in ([], ["type"], ["rounding", "missing"], ["type", "missing", "rounding"], []):
        pair.plant(*faults)
        build = f"catalog-1+faults.{'.'.join(sorted(faults))}" if faults else "catalog-1"
        for client in clients:
            answer = client.get("/api/products/12")
            assert answer.headers["X-Build"] == build
            assert isinstance(answer.json()["attributes"][0]["value"], str) == ("type" in faults)
            assert ("restock_note" in answer.json()) == ("missing" not in faults)
    for client in clients:
        client.close()


def test_the_command_line_shows_sets_and_clears_faults(pair: Pair) -> None:
    def faults(*arguments: str) -> str:
        done = run("extracted.catalog", "faults", *arguments, "--url", pair.catalog_url)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert faults("show") == "faults: none (build catalog-1)"
    assert faults("set", "type,rounding") == "faults: rounding, type (build catalog-1+faults.rounding.type)"
    assert faults("show") == "faults: rounding, type (build catalog-1+faults.rounding.type)"
    assert faults("clear") == "faults: none (build catalog-1)"


def test_faults_are_switched_by_nobody_who_comes_through_a_proxy(pair: Pair) -> None:
    answer = pair.catalog.put("/_faults", json={"faults": ["type"]}, headers={"X-Forwarded-For": "192.0.2.1"})
    assert answer.status_code == 404
    assert pair.catalog.get("/_faults").json()["faults"] == []
