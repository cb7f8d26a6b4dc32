"""The typed walk: every difference at its place and of its kind, and never "equal" by giving up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from deepdiff import DeepDiff
from hypothesis import given
from hypothesis import strategies as st

from shadow.core.differences import MISSING, Difference, Impact, Kind, finding_id, in_body
from shadow.core.json_text import Normalised, NumberText, canonical, parse
from shadow.core.lists import pair_items
from shadow.core.walk import Budgets, Walked, walk
from tests.unit.shadow.test_shadow_json import JSON


def walked(old: Any, new: Any, budgets: Budgets | None = None, **pair_keys: str) -> Walked:
    return walk(old, new, budgets or Budgets(), {(name,): key for name, key in pair_keys.items()})


def found(old: Any, new: Any, **pair_keys: str) -> list[tuple[str, str]]:
    return [(each.kind.value, each.place) for each in walked(old, new, **pair_keys).differences]


ROWS = [{"id": number, "name": f"n{number}"} for number in range(295)]
CASES: list[tuple[Any, Any, list[tuple[str, str]]]] = [
    ({"a": 1}, {"a": 2}, [("value", "a")]),
    ({"a": 1}, {"a": "1"}, [("type", "a")]),
    ({"a": 1}, {"a": True}, [("type", "a")]),
    ({"a": 1}, {"a": 1.0}, [("type", "a")]),
    ({"a": None}, {"a": 1}, [("null", "a")]),
    ({"a": 1}, {"a": None}, [("null", "a")]),
    ({"a": 1}, {}, [("missing", "a")]),
    ({}, {"a": None}, [("extra", "a")]),
    ({"__a": 1}, {"__a": 2}, [("value", "__a")]),
    ({"a": 0.0}, {"a": -0.0}, [("value", "a")]),
    ({"a": 0.5}, {"a": 0.5}, []),
    ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 3}]}}, [("value", "a.b[*].c")]),
    ({"2024-01-01": 1}, {"2024-01-01": 2}, [("value", "{*}")]),
    ([1, 2, 3], [3, 2, 1], [("order", "$")]),
    ([1, 2, 3], [1, 3], [("item_removed", "[*]")]),
    ([1, 3], [1, 2, 3], [("item_added", "[*]")]),
    ([1, 1], [1], [("item_removed", "[*]")]),
    (ROWS, [{"id": -1, "name": "new"}, *ROWS], [("item_added", "[*]")]),
    (ROWS, [*ROWS[:7], *ROWS[8:]], [("item_removed", "[*]")]),
    (ROWS, [*ROWS[:7], ROWS[7] | {"name": "x"}, *ROWS[8:]], [("value", "[*].name")]),
    (ROWS, [ROWS[7] | {"name": "x"}, *ROWS[:7], *ROWS[8:]], [("order", "$"), ("value", "[*].name")]),
    (ROWS[:3], ROWS[1:4], [("item_removed", "[*]"), ("item_added", "[*]")]),
    ([[1, 2], [3]], [[1, 2], [4]], [("value", "[*][*]")]),
    (NumberText("1234567890123456"), 123456789012345, [("value", "$")]),
    (NumberText("1234567890123456"), NumberText("1234567890123457"), [("value", "$")]),
    (NumberText("1.234567890123456"), 1, [("type", "$")]),
    (Normalised("instant:a"), Normalised("instant:b"), [("value", "$")]),
    (Normalised("instant:a"), "a", [("type", "$")]),
    ("x", "x", []),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), CASES)
def test_each_difference_is_named_with_its_kind_and_place(old: Any, new: Any, expected: list[Any]) -> None:
    assert found(old, new) == expected


def test_items_are_paired_by_the_declared_key_at_its_own_path_only() -> None:
    old = {"rows": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}]}
    new = {"rows": [{"sku": "b", "n": 2, "x": 0}, {"sku": "a", "n": 9}]}
    by_key = found(old, new, rows="sku")
    assert ("extra", "rows[*].x") in by_key
    assert ("value", "rows[*].n") in by_key
    assert ("value", "rows[*].sku") not in by_key


def test_a_key_that_occurs_twice_pairs_once() -> None:
    pairing = pair_items([{"id": 1, "a": 1}, {"id": 1, "a": 2}], [{"id": 1, "a": 3}], "id")
    assert (pairing.pairs, pairing.removed) == (((0, 0),), (1,))


def test_the_list_of_differences_is_cut_and_says_so() -> None:
    result = walked({"a": list(range(9)), "b": 1}, {"a": [x + 100 for x in range(9)], "b": 2}, Budgets(3))
    assert (len(result.differences), result.ended_by) == (3, "differences")


def _nested(depth: int, leaf: Any) -> Any:
    for _ in range(depth):
        leaf = {"d": leaf}
    return leaf


def test_a_difference_below_the_depth_budget_is_not_called_equal() -> None:
    assert walked(_nested(250, 1), _nested(250, 2)) == Walked((), "depth")
    assert walked(_nested(199, 1), _nested(199, 2)).ended_by is None


def test_items_too_deep_to_be_written_end_the_walk() -> None:
    deep: Any = 1
    for _ in range(400):
        deep = [deep]
    assert walked([deep, 1], [deep, 2]).ended_by == "depth"
    deepest, other = [1], [2]
    for _ in range(5000):
        deepest, other = [deepest], [other]  # type: ignore[list-item]
    assert walked([deepest], [other]).ended_by == "depth"


def test_time_that_runs_out_ends_the_walk() -> None:
    old, new = {str(n): {"v": n} for n in range(600)}, {str(n): {"v": n} for n in range(600)}
    asked: list[int] = []

    def out() -> bool:
        asked.append(1)
        return len(asked) > 1

    assert walked(old | {"z": 1}, new | {"z": 2}, Budgets(out_of_time=out)).ended_by == "time"


@pytest.mark.filterwarnings("ignore")
def test_deepdiff_s_budget_returns_equal_where_ours_says_different() -> None:
    # The negative control of design 3: with max_diffs deepdiff says {} ("equal") for different inputs.
    old, new = [[1, 2], [3, 4]], [[2, 1], [4, 5]]
    assert DeepDiff(old, new, max_diffs=1) == {}
    assert DeepDiff({"__a": 1}, {"__a": 2}) == {}
    assert walked(old, new, Budgets(differences=1)).differences
    assert walked(old, new, Budgets(differences=0)).ended_by == "differences"


IMPACTS = [
    (Difference(Kind.STATUS, "status", "", 200, 404), Impact.BREAKING),
    (Difference(Kind.STATUS, "status", "", 200, 201), Impact.BEHAVIOUR),
    (in_body(Kind.TYPE, 1, "1", ("a",), ("a",)), Impact.BREAKING),
    (in_body(Kind.EXTRA, MISSING, 1, ("a",), ("a",)), Impact.ADDITIVE),
    (in_body(Kind.ORDER, [], [], (), ()), Impact.ORDER),
]


@pytest.mark.parametrize(("difference", "impact"), IMPACTS)
def test_each_kind_has_an_impact(difference: Difference, impact: Impact) -> None:
    assert difference.impact is impact


def test_every_kind_but_status_has_an_impact_of_its_own() -> None:
    assert {Difference(kind, "x", "", 1, 2).impact for kind in Kind} == set(Impact)


def test_a_finding_s_name_is_stable_and_tells_routes_paths_kinds_and_types_apart() -> None:
    base = in_body(Kind.TYPE, 1, "1", ("items", 3, "price"), ("items", 4, "price"))
    elsewhere = in_body(Kind.TYPE, 1, "1", ("items", 0, "price"), ("items", 0, "price"))
    assert finding_id("a.b", base) == finding_id("a.b", elsewhere)
    different = [
        ("a.b", base),
        ("a.c", base),
        ("a.b", in_body(Kind.TYPE, 1, "1", ("items", 3, "prices"), ())),
        ("a.b", in_body(Kind.TYPE, 1, [], ("items", 3, "price"), ())),
        ("a.b", in_body(Kind.NULL, 1, "1", ("items", 3, "price"), ())),
    ]
    assert len({finding_id(*each) for each in different}) == len(different)


def test_missing_is_told_from_null() -> None:
    assert repr(MISSING) == "missing"
    assert found({"a": None}, {}) == [("missing", "a")]


@given(JSON, JSON)
def test_the_walk_agrees_with_the_canonical_bytes(old: Any, new: Any) -> None:
    left, right = parse(json.dumps(old).encode()), parse(json.dumps(new).encode())
    result = walked(left, right)
    assert bool(result.differences) == (canonical(left) != canonical(right))


@given(st.lists(st.integers(0, 5), max_size=8), st.lists(st.integers(0, 5), max_size=8))
def test_every_item_of_a_list_is_paired_or_accounted_for(old: list[int], new: list[int]) -> None:
    pairing = pair_items(old, new, "id")
    left = {a for a, _ in pairing.pairs} | set(pairing.removed)
    right = {b for _, b in pairing.pairs} | set(pairing.added)
    rest_old = sorted(value for index, value in enumerate(old) if index not in left)
    rest_new = sorted(value for index, value in enumerate(new) if index not in right)
    assert rest_old == rest_new
