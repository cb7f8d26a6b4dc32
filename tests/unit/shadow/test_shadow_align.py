"""The picture of a difference: its neighbourhood opened, the rest folded, all of it redacted."""

from __future__ import annotations

from typing import Any

import pytest

from shadow.core.align import align
from shadow.core.differences import Difference, Kind
from shadow.core.json_text import NumberText
from shadow.core.sample import payload, printable, view
from shadow.core.walk import Budgets, walk
from tests.unit.shadow.builders import exchange, redactor


def lines(old: Any, new: Any, which: int = 0) -> list[str]:
    difference = walk(old, new, Budgets(), {}).differences[which]
    return [
        f"{' ' * row.indent}{row.label}{row.old or '∅'} | {row.new or '∅'} {row.mark}"
        for row in align(old, new, difference, redactor())
    ]


def test_only_the_neighbourhood_of_a_change_is_opened() -> None:
    old = {"a": 1, "b": {"x": 1}, "list": [0, {"v": 350, "w": []}, 2, 3]}
    new = {"a": 1, "b": {"x": 1}, "list": [0, {"v": "350", "w": []}, 2, 3]}
    assert lines(old, new) == [
        "{ | { same",
        ' "a": 1 | 1 same',
        ' "b": {… 1 key} | {… 1 key} same',
        ' "list": [ | [ same',
        "  … 1 more item | … 1 more item fold",
        "  [1] { | { same",
        '   "v": 350 | "350" changed',
        '   "w": [] | [] same',
        "  } | } same",
        "  … 2 more items | … 2 more items fold",
        " ] | ] same",
        "} | } same",
    ]


def test_many_siblings_are_folded_on_both_ends() -> None:
    keys = {f"k{number:02}": number for number in range(30)}
    shown = lines(keys, keys | {"k15": -1})
    assert shown[1] == " … 12 more keys | … 12 more keys fold"
    assert shown[-2] == " … 11 more keys | … 11 more keys fold"
    assert ' "k15": 15 | -1 changed' in shown


MISSING_AND_EXTRA = [
    ({"a": 1, "b": {"c": [1, 2, 3, 4, 5, 6]}}, {"a": 1}, ' "b": {"c": [1, 2, 3, 4, … 2 more]} | ∅ old'),
    ({"a": 1}, {"a": 1, "b": {}}, ' "b": ∅ | {} new'),
    ([1, 2], [1], " [1] 2 | ∅ old"),
    ([1], [1, 2], " [1] ∅ | 2 new"),
    ({"a": 1, "z": None}, {"a": 2}, ' "z": null | ∅ old'),
    ({"a": 1}, {"a": 2, "z": None}, ' "z": ∅ | null new'),
    ({"a": 1, "z": 3}, {"a": 2, "z": 4}, ' "z": 3 | 4 changed'),
    ([{"id": 1}, {"id": 2, "v": 1}], [{"id": 2, "v": 2}], " [1] | [0] { | { same"),
    ([2, 1], [1, 2], "[2, 1] | [1, 2] changed"),
    ({"a": {"deep": 1}}, {"a": 5}, ' "a": {"deep": 1} | 5 changed'),
    ({"n": NumberText("12345678901234567")}, {"n": 1}, ' "n": 12345678901234567 | 1 changed'),
]


@pytest.mark.parametrize(("old", "new", "line"), MISSING_AND_EXTRA)
def test_each_kind_of_difference_has_its_line(old: Any, new: Any, line: str) -> None:
    assert line in lines(old, new) + lines(old, new, -1)


def test_long_texts_and_large_objects_are_cut() -> None:
    old = {"text": "x" * 20_000, "map": {f"key{n}": "y" * 50 for n in range(99)}}
    shown = lines(old, {"text": "z", "map": 1})
    assert all(len(line) < 500 for line in shown + lines(old, {"text": old["text"], "map": 1}))
    assert any("…" in line for line in shown)


def test_a_value_nested_as_deep_as_any_body_is_cut_too() -> None:
    deep: Any = 1
    for level in range(240):
        deep = {"d": deep} if level % 2 else [deep]
    assert '"a": {"d": [{"d": [{"d": [{… 1 key}]}]}]} | 1 changed' in "".join(lines({"a": deep}, {"a": 1}))


def test_names_and_values_are_redacted() -> None:
    old = {"a@b.de": 1, "password": "hunter2", "v": 1}
    assert not any("hunter2" in line or "a@b" in line for line in lines(old, old | {"v": 2}))


def test_a_difference_whose_ways_part_is_shown_where_they_part() -> None:
    difference = Difference(Kind.TYPE, "a", "", 1, 2, ("a", "b"), ("a", "b"))
    assert [row.mark for row in align({"a": 1}, {"a": {"b": 2}}, difference, redactor())][1] == "changed"


def sample(difference: Difference, old: Any = None, new: Any = None, **changes: Any) -> Any:
    stored = payload(
        exchange(**changes), difference, (old, new), (200, None), ("http://a", "http://b"), redactor()
    )
    return view(stored, 7.0, True)


def test_a_status_or_a_timeout_is_one_line() -> None:
    shown = sample(Difference(Kind.STATUS, "status", "", 200, 404))
    assert [(row.label, row.old, row.new) for row in shown.rows] == [("status: ", "200", "404")]
    assert (shown.at, shown.smallest, shown.old_status, shown.new_status) == (7.0, True, 200, None)


def test_a_header_that_is_missing_has_no_text() -> None:
    from shadow.core.headers import compare_headers

    (difference,) = compare_headers([(b"Location", b"/x")], []).differences
    assert sample(difference, {}, {}).rows[0].new is None


def test_the_picture_of_bodies_is_kept() -> None:
    (difference,) = walk({"a": 1}, {"a": 2}, Budgets(), {}).differences
    assert [row.mark for row in sample(difference, {"a": 1}, {"a": 2}).rows] == ["same", "changed", "same"]


def test_the_command_that_repeats_it_is_safe_to_paste() -> None:
    shown = sample(
        Difference(Kind.STATUS, "status", "", 200, 404),
        method="HEAD",
        target=b"/x?q='; rm -rf ~\x1b[2J&token=s3cret",
        request_headers=[(b"Accept", b"a/b"), (b"Cookie", b"k=v"), (b"X-Other", b"1")],
    )
    assert shown.curl[0].startswith("curl -I -H 'Accept: a/b' 'http://a/x?q='\"'\"'; rm -rf ~")
    assert not any(bad in shown.curl[1] for bad in ("\x1b", "s3cret", "k=v", "X-Other"))
    assert "\x1b" not in shown.target


def test_printable_text_has_no_control_or_direction_characters() -> None:
    assert printable("a\x1b[1m\u202eb\n") == "a�[1m�b�"
