"""Parsing and the canonical form: nothing that two readers could disagree on passes for equal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.core.json_text import (
    Normalised,
    NumberText,
    TooDeep,
    Unparseable,
    canonical,
    parse,
    type_name,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**14), 10**14)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


def same(left: str, right: str) -> bool:
    return canonical(parse(left.encode())) == canonical(parse(right.encode()))


EQUAL = [
    ('{"a":1,"b":2}', '{ "b" : 2, "a" : 1 }'),
    ("[1.0]", "[1.00]"),
    ("100.0", "1e2"),
    ('"\\u0041:\\u003a"', '"A::"'),
    ("123456789012345678", "123456789012345678"),
    ("5.960464477539063e-08", "5.960464477539063E-8"),
    ("5.8778976381290704e-05", "0.000058778976381290704"),
    ("5.87789763812907e-05", "0.0000587789763812907"),
    ("1.0000000000000000000", "1.0"),
    ("-0.00000000000000000", "-0.0"),
]
DIFFERENT = [
    ("1", "true"),
    ("1", "1.0"),
    ("0", "false"),
    ("0", "null"),
    ("0.0", "-0.0"),
    ("1", '"1"'),
    ("123456789012345678901234567890", "123456789012345678901234567891"),
    ("0.1234567890123456", "0.12345678901234561"),
    ("12345678901234567890", '"12345678901234567890"'),
    ("1e-320", "1e-321"),
    ("1e-400", "0.0"),
    ("19.99", "19.990000000000002"),
]


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_the_same_value_spelt_twice_is_equal(left: str, right: str) -> None:
    assert same(left, right)


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_different_values_are_different(left: str, right: str) -> None:
    assert not same(left, right)


def test_python_equality_would_miss_what_the_canonical_form_sees() -> None:
    # The negative control: the shortcut that must never come back.
    missed = [pair for pair in DIFFERENT if json.loads(pair[0]) == json.loads(pair[1])]
    assert missed[:4] == [("1", "true"), ("1", "1.0"), ("0", "false"), ("0.0", "-0.0")]


BAD = [
    b"",
    b"{",
    b"<html>",
    b'{"a":1,"a":1}',
    b'{"a":{"b":1,"b":2}}',
    b'{"a":1,"\\u0061":2}',
    b'{"a" :1,"a":"\\u003a"}',
    b'{"a":1, "a" : 2, "b": "x:y"}',
    b"NaN",
    b"1e400",
    b'"\\ud800"',
    b"\xff",
    b"[" * 2000,
]


@pytest.mark.parametrize("body", BAD)
def test_a_body_that_readers_could_take_two_ways_is_unparseable(body: bytes) -> None:
    with pytest.raises(Unparseable):
        parse(body)


def test_constants_that_only_python_reads_are_refused_next_to_long_numbers_too() -> None:
    with pytest.raises(Unparseable):
        parse(b"[1234567890123456789, NaN]")


def test_python_s_own_constants_are_refused_where_its_parser_is_used() -> None:
    from shadow.core import json_text

    with pytest.raises(Unparseable, match="no JSON number"):
        json_text._parse_carefully(b"[NaN]")


def test_a_colon_in_a_string_is_no_duplicate_key() -> None:
    assert parse(b'{"at":"12:30:00","u":"http://x:1/"}') == {"at": "12:30:00", "u": "http://x:1/"}


def test_long_numbers_keep_their_text_and_short_ones_their_type() -> None:
    value = parse(b"[1234567890123456, 1.5, 7, 1e5, 1e-305, 0.12345678901234567]")
    assert [type(each) for each in value] == [NumberText, float, int, float, NumberText, NumberText]


def test_nothing_written_in_a_body_passes_for_what_a_rule_made() -> None:
    assert canonical(Normalised("instant:x")) != canonical("instant:x")
    assert canonical(Normalised("instant:x")) == canonical(Normalised("instant:x"))


def test_a_value_too_deep_to_be_written_says_so() -> None:
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    with pytest.raises(TooDeep):
        canonical(deep)


def test_a_deep_body_is_still_read() -> None:
    assert parse(b"[" * 300 + b"]" * 300)


def test_only_json_has_a_canonical_form() -> None:
    with pytest.raises(TooDeep):
        canonical({1, 2})


NAMES = [
    (None, "null"),
    (True, "boolean"),
    (1, "integer"),
    (1.0, "number"),
    ("x", "string"),
    ([], "array"),
    ({}, "object"),
    (NumberText("12345678901234567"), "integer"),
    (NumberText("1.2345678901234567"), "number"),
    (Normalised("instant:2026"), "instant"),
    (object(), "?"),
]


@pytest.mark.parametrize(("value", "name"), NAMES)
def test_types_have_json_s_names(value: object, name: str) -> None:
    assert type_name(value) == name


@given(JSON)
def test_parsing_what_was_written_gives_the_same_canonical_bytes(value: Any) -> None:
    assert canonical(parse(json.dumps(value).encode())) == canonical(parse(canonical(value)))
