"""Normalisation: what a rule may hide, what it must not, and that it says what it did."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from shadow.core.json_text import NumberText, canonical
from shadow.core.paths import generalise, matches, parse_pattern, text
from shadow.core.rules import apply_rules, rule_name, rules_hash
from tests.unit.shadow.builders import rule, rules

BERLIN = {"naive": "Europe/Berlin"}
LONG = (NumberText("1234567890123456"), NumberText("1234567890123457"))


def equal(declared: Any, old: Any, new: Any) -> bool:
    done = apply_rules(rules(declared), deepcopy(old), deepcopy(new))
    return canonical(done.old) == canonical(done.new)


HIDDEN = [
    (rule("rename", "sku", to="code"), {"sku": 1}, {"code": 1}),
    (rule("rename", "rows[*].a", to="b"), {"rows": [{"a": 1}]}, {"rows": [{"b": 1}]}),
    (rule("drop", "trace"), {"trace": 1, "a": 1}, {"a": 1}),
    (rule("drop", "rows[*].t"), {"rows": [{"t": 1}, {}]}, {"rows": [{"t": 2}, {"t": 3}]}),
    (rule("drop", "rows[*]"), {"rows": [1, 2]}, {"rows": [3, 4]}),
    (rule("drop", "by.{*}.t"), {"by": {"x": {"t": 1}}}, {"by": {"x": {"t": 2}}}),
    (rule("instant", "at", **BERLIN), {"at": "2026-03-01T12:00:00"}, {"at": "2026-03-01T11:00:00Z"}),
    (rule("instant", "at", **BERLIN), {"at": "2026-07-01 12:00"}, {"at": "2026-07-01T12:00:00.000+0200"}),
    (rule("instant", "at"), {"at": "2026-03-01T12:00:00+01:00"}, {"at": "2026-03-01T11:00:00Z"}),
    (rule("tolerance", "p", abs=0.01), {"p": 19.99}, {"p": 20.0}),
    (rule("tolerance", "p", rel=0.1), {"p": 100}, {"p": 109.5}),
    (rule("tolerance", "p", abs=1), {"p": LONG[0]}, {"p": LONG[1]}),
    (rule("decimal_string", "p"), {"p": 19.99}, {"p": "19.990"}),
    (rule("decimal_string", "p"), {"p": 0}, {"p": "-0.00"}),
    (rule("decimal_string", "p"), {"p": 1200}, {"p": "1.2e3"}),
    (rule("null_absent", "n"), {"n": None}, {}),
    (rule("set", "tags"), {"tags": ["b", "a"]}, {"tags": ["a", "b"]}),
    (rule("pair_by", "rows", key="k"), {"rows": [{"k": 2}, {"k": 1}]}, {"rows": [{"k": 1}, {"k": 2}]}),
    (rule("url_base", "u", legacy="http://a", extracted="http://b/v1/"), {"u": "http://a/x"}, {"u": "http://b/v1/x"}),
    (rule("url_base", "u", legacy="http://a", extracted="http://b"), {"u": "http://a"}, {"u": "http://b"}),
]  # fmt: skip

NOT_HIDDEN = [
    (rule("rename", "sku", to="code"), {"sku": 1, "code": 2}, {"code": 1}),
    (rule("rename", "sku", to="code"), {"code": 1}, {"sku": 1}),
    (rule("drop", "price"), {"price_old": 1}, {"price_old": 2}),
    (rule("drop", "a"), {"b": {"a": 1}}, {"b": {"a": 2}}),
    (rule("drop", "rows[*]"), {"rows": [1]}, {"rows": [1, 2]}),
    (rule("drop", "a.b"), {"a": "text"}, {"a": "other"}),
    (rule("instant", "at"), {"at": "2026-03-01T12:00:00"}, {"at": "2026-03-01T11:00:00Z"}),
    (rule("instant", "at", **BERLIN), {"at": "2026-03-01T12:00:00"}, {"at": "2026-03-01T12:00:00Z"}),
    (rule("instant", "at", **BERLIN), {"at": "2026-02-30T12:00:00"}, {"at": "2026-02-30T11:00:00Z"}),
    (rule("instant", "at", **BERLIN), {"at": "0001-01-01T00:00:00"}, {"at": "0001-01-01T00:00:01"}),
    (rule("instant", "at"), {"at": "2026-03-01T12:00:00.1234567Z"}, {"at": "2026-03-01T12:00:00.1234568Z"}),
    (rule("instant", "at"), {"at": "2026-03-01T11:00:00Z"}, {"at": "instant:2026-03-01T11:00:00+00:00"}),
    (rule("instant", "at", **BERLIN), {"at": 1}, {"at": 2}),
    (rule("tolerance", "p", abs=0.01), {"p": 19.99}, {"p": 20.01}),
    (rule("tolerance", "p", abs=0.01), {"p": "1"}, {"p": "2"}),
    (rule("tolerance", "p", abs=5), {"p": True}, {"p": 1}),
    (rule("tolerance", "p", abs=5), {"p": 1}, {}),
    (rule("decimal_string", "p"), {"p": "x"}, {"p": "y"}),
    (rule("decimal_string", "p"), {"p": "1." + "0" * 35 + "1"}, {"p": "1." + "0" * 35 + "2"}),
    (rule("decimal_string", "p"), {"p": True}, {"p": 1}),
    (rule("decimal_string", "p"), {"p": 1.5}, {"p": -1.5}),
    (rule("null_absent", "n"), {"n": 0}, {}),
    (rule("set", "tags"), {"tags": ["a", "a"]}, {"tags": ["a"]}),
    (rule("set", "tags"), {"tags": "ab"}, {"tags": "ba"}),
    (rule("pair_by", "rows", key="k"), {"rows": [{"k": 1, "v": 1}, 7]}, {"rows": [{"k": 1, "v": 2}, 7]}),
    (rule("url_base", "u", legacy="http://a", extracted="http://b"), {"u": "http://ab"}, {"u": "http://bb"}),
    (rule("url_base", "u", legacy="http://a", extracted="http://b"), {"u": 1}, {"u": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("declared", "old", "new"), HIDDEN)
def test_a_declared_difference_is_hidden(declared: Any, old: Any, new: Any) -> None:
    assert not equal(rule("drop", "nowhere"), old, new)
    assert equal(declared, old, new)


@pytest.mark.parametrize(("declared", "old", "new"), NOT_HIDDEN)
def test_what_was_not_declared_stays_visible(declared: Any, old: Any, new: Any) -> None:
    assert not equal(declared, old, new)


def test_a_rule_says_that_it_fired_and_whether_it_made_the_values_equal() -> None:
    declared = rules(rule("instant", "at", **BERLIN), rule("drop", "b"), rule("drop", "c"))
    done = apply_rules(
        declared,
        {"at": "2026-03-01T12:00:00", "b": 1, "c": 5},
        {"at": "2026-03-01T11:30:00Z", "b": 2, "c": 5},
    )
    assert done.fired == ("instant at (naive=Europe/Berlin)", "drop b")
    assert done.evened == ("drop b",)


def test_a_rename_fires_only_where_legacy_has_the_old_name() -> None:
    declared = rules(rule("rename", "a", to="b"))
    assert apply_rules(declared, {"a": 1}, {"b": 2}).fired == ("rename a (to=b)",)
    assert apply_rules(declared, {}, {"b": 2}).fired == ()
    assert apply_rules(declared, [1], {"b": 2}).fired == ()


def test_lists_and_maps_of_unequal_length_are_walked_to_the_longer_end() -> None:
    done = apply_rules(rules(rule("null_absent", "r[*].n")), {"r": [{}]}, {"r": [{}, {"n": None}]})
    assert done.new == {"r": [{}, {}]}
    assert apply_rules(rules(rule("null_absent", "{*}")), {"a": None}, {"b": None}).old == {}


def test_the_hash_of_the_rules_changes_with_every_rule_and_argument() -> None:
    variants = [
        [],
        [rule("drop", "a")],
        [rule("drop", "b")],
        [rule("tolerance", "a", abs=1)],
        [rule("tolerance", "a", abs=2)],
        [rule("drop", "a"), rule("drop", "b")],
        [rule("drop", "b"), rule("drop", "a")],
    ]
    assert len({rules_hash(each) for each in variants}) == len(variants)


def test_a_rule_is_called_by_its_operation_path_and_arguments() -> None:
    assert rule_name(rule("drop", "a")) == "drop a"
    assert rule_name(rule("tolerance", "a", rel=0.1, abs=1)) == "tolerance a (abs=1, rel=0.1)"


def test_the_key_that_pairs_a_list_is_known_by_the_path_of_the_list() -> None:
    declared = rules(rule("pair_by", "a.rows", key="sku"), rule("drop", "x"))
    assert declared.pair_keys == {("a", "rows"): "sku"}
    assert declared.patterns == (("a", "rows"), ("x",))


PATHS = [
    ((), "$"),
    (("items", 3, "price"), "items[*].price"),
    ((0, 1), "[*][*]"),
    (("prices", "2024-05-06", "EUR"), "prices.{*}.EUR"),
    (("by_id", "12345"), "by_id.{*}"),
    (("0123456789abcdef0",), "{*}"),
    (("6f9619ff-8b86-d011-b42d-00cf4fc964ff",), "{*}"),
    (("anna@example.org",), "{*}"),
    (("x" * 65,), "{*}"),
    (("a\x1bb",), "{*}"),
]


@pytest.mark.parametrize(("path", "shown"), PATHS)
def test_a_concrete_path_has_a_general_one(path: Any, shown: str) -> None:
    assert text(generalise(path)) == shown


MATCHES = [
    ("items[*].price", ("items", "[*]", "price"), True),
    ("price", ("price",), True),
    ("price", ("price_old",), False),
    ("price", ("items", "[*]", "price"), False),
    ("items", ("items", "[*]"), False),
    ("by.{*}", ("by", "x"), True),
    ("by.{*}", ("by", "{*}"), True),
    ("by.{*}", ("by", "[*]"), False),
]


@pytest.mark.parametrize(("pattern", "steps", "expected"), MATCHES)
def test_paths_match_by_segment(pattern: str, steps: tuple[str, ...], expected: bool) -> None:
    assert matches(parse_pattern(pattern), steps) is expected


def test_a_prefix_match_would_hide_what_nobody_declared() -> None:
    # The negative control: `startswith` takes price_old for price, our matching does not.
    assert "price_old".startswith("price")
    assert not matches(parse_pattern("price"), generalise(("price_old",)))
