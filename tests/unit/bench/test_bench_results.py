"""What `make bench-facade` writes: nothing of `bench.facade/1` is missing, each ratio is of its round."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from bench.facade.cost import spent
from bench.facade.ours import on_its_way
from bench.facade.results import problems, with_latency
from bench.facade.rounds import Case, Window
from bench.facade.subject import Subject
from bench.facade.table import table
from bench.facade.traffic import Ask
from tools.servers import Process

WRITTEN = Path(__file__).parents[3] / "bench" / "results" / "facade.json"
Document = dict[str, Any]


def a_row(name: str, routes: int | None, **more: object) -> Document:
    row = {"name": name, "routes": routes, "body_bytes": 1024, "method": "GET", "new_targets": False}
    costs = {"cpu_us_per_request": 22.5, "cpu_us_lowest": 21.0, "cpu_us_highest": 24.0, "rounds": 3}
    return row | costs | {"ratio_to_nginx": 1.5, "ratio_to_envoy": 0.5, "p99_added_ms": 0.4} | more


def a_document() -> Document:
    names = [("plain", 50), ("full", 50), ("plain", 5000), ("full", 5000)]
    times = {"p50_ms": 0.1, "p99_ms": 0.4, "p99_ms_lowest": 0.3, "p99_ms_highest": 0.5}
    built = {"python": "3.11.7", "python_configured": ["--with-lto"], "cores": 2, "processor": "Some"}
    return {
        "schema": "bench.facade/1",
        "machine": built | {"load_before": 0.1, "load_generator": "wrk", "versions": {"nginx": "1.22.1"}},
        "cases": [a_row("nginx", None), *(a_row(name, routes) for name, routes in names)],
        "latency": {"rate": 1000.0, "direct": times, "added": {"plain": times}},
        "memory": [{"requests": 100_000, "rss_before_bytes": 50 << 20, "rss_after_bytes": 52 << 20}],
        "idle": [{"routes": 50, "cpu_ms_per_second": 1.5}],
    }


def test_a_whole_document_has_no_problems() -> None:
    assert problems(a_document()) == []


def test_what_is_committed_is_whole() -> None:
    assert problems(json.loads(WRITTEN.read_text(encoding="utf-8"))) == []


SPOILT: list[tuple[str, Callable[[Document], object], str]] = [
    ("another schema", lambda found: found.update(schema="bench.facade/2"), "the schema is 'bench.facade/2'"),
    (
        "no cost",
        lambda found: found["cases"][1].pop("cpu_us_per_request"),
        "cases[1].cpu_us_per_request is None",
    ),
    (
        "no ratio",
        lambda found: found["cases"][2].update(ratio_to_nginx=None),
        "cases[2].ratio_to_nginx is None",
    ),
    ("a text", lambda found: found["cases"][0].update(body_bytes="1 KB"), "cases[0].body_bytes is '1 KB'"),
    ("not many routes", lambda found: found["cases"].pop(), "there is no case ('full', 5000, 1024)"),
    ("no machine", lambda found: found.pop("machine"), "there is no machine"),
    ("no memory", lambda found: found.update(memory=[]), "there is no memory"),
]


@pytest.mark.parametrize(("spoil", "problem"), [one[1:] for one in SPOILT], ids=[one[0] for one in SPOILT])
def test_what_is_missing_is_named(spoil: Callable[[Document], object], problem: str) -> None:
    document = a_document()
    spoil(document)
    assert problems(document) == [problem]


def test_envoy_may_be_absent() -> None:
    document = a_document()
    for case in document["cases"]:
        case["ratio_to_envoy"] = None
    assert problems(document) == []
    assert "| 1.50 | – | – |" in table(document)


def test_the_table_has_a_line_for_each_case_and_each_proxy_at_a_fixed_rate() -> None:
    lines = table(a_document()).splitlines()
    assert sum("22.5 (21.0–24.0) | 1.50 | 0.50" in line for line in lines) == 5
    assert "| **the facade**, a path no route is declared for | 0.10 | 0.40 (0.30–0.50) |" in lines
    assert any("100,000 requests" in line and "50 → 52 MB" in line for line in lines)


def test_what_is_added_to_the_slowest_answers_stands_at_the_usual_case_alone() -> None:
    usual, many = a_row("plain", 50), a_row("plain", 5000)
    others = [
        many,
        usual | {"body_bytes": 102_400},
        usual | {"method": "POST"},
        usual | {"new_targets": True},
    ]
    slowest = {"added": {"plain": {"p99_ms": 0.75}}}
    found = with_latency(copy.deepcopy([usual, *others]), slowest)
    assert [row["p99_added_ms"] for row in found] == [0.75, None, None, None, None]


def a_case(costs: list[float]) -> Case:
    case = Case("any", Subject("any", 1, cast(Process, None)), Ask(route=False))
    case.windows += [Window(cpu, 0.0, 1000.0, {}) for cpu in costs]
    return case


def test_a_ratio_is_the_median_of_the_ratios_of_the_rounds() -> None:
    # The machine was slow in the second round, for both: the ratio of the medians would be 30 / 15.
    ours, nginx = a_case([30.0, 90.0, 22.5]), a_case([20.0, 60.0, 15.0])
    assert ours.ratio_to(nginx) == 1.5
    assert ours.ratio_to(None) is None


def test_a_thread_that_ended_takes_nothing_away_from_the_others() -> None:
    assert spent({1: 100, 2: 5000}, {1: 400, 3: 50}) == 350


@pytest.mark.parametrize(
    ("counted", "missing"),
    [
        ({}, 0),
        ({"tap.eligible": 10.0, "tap.tapped": 7.0, "tap.queue_full": 3.0}, 0),
        ({"tap.eligible": 10.0, "tap.tapped": 7.0, "side.legacy": 4.0}, 3),
    ],
)
def test_what_is_on_its_way_is_neither_tapped_nor_lost(counted: dict[str, float], missing: int) -> None:
    assert on_its_way(counted) == missing
