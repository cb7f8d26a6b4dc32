"""Names, paths and arguments of normalisation rules."""

from __future__ import annotations

import pytest

from migration.core.rules import OPERATIONS, argument_problems, path_problem
from migration.core.suggest import did_you_mean


@pytest.mark.parametrize(
    "path", ["a", "a.b", "items[*].id", "[*].id", "prices.{*}", "{*}.x", "a[*][*]", "größe", "a-b"]
)
def test_paths_of_segments_are_paths(path: str) -> None:
    assert path_problem(path) is None


@pytest.mark.parametrize("path", ["", ".", "a..b", ".a", "a.", "a b", "a[0]", "a[", "{x}", "a.{*}x"])
def test_other_texts_are_no_paths(path: str) -> None:
    assert path_problem(path) is not None


@pytest.mark.parametrize(
    ("op", "args", "words"),
    [
        ("rename", {"to": "b"}, []),
        ("rename", {}, ["needs 'to'"]),
        ("rename", {"to": ""}, ["'to' is a text"]),
        ("rename", {"to": "b", "form": "x"}, ["takes no 'form'"]),
        ("drop", {}, []),
        ("drop", {"to": "x"}, ["takes no 'to'"]),
        ("instant", {}, []),
        ("instant", {"naive": 5}, ["'naive' is a text"]),
        ("tolerance", {"abs": 0.01}, []),
        ("tolerance", {"rel": 0}, []),
        ("tolerance", {}, ["needs 'abs' or 'rel'"]),
        ("tolerance", {"abs": "0.01"}, ["'abs' is a number"]),
        ("tolerance", {"abs": True}, ["'abs' is a number"]),
        ("tolerance", {"abs": -1}, ["'abs' is a number"]),
        ("tolerance", {"abs": float("nan")}, ["'abs' is a number"]),
        ("tolerance", {"abs": float("inf")}, ["'abs' is a number"]),
        ("pair_by", {}, ["needs 'key'"]),
        ("url_base", {"legacy": "http://a"}, ["needs 'extracted'"]),
        ("url_base", {"legacy": "http://a", "extracted": "http://b"}, []),
    ],
)
def test_arguments_are_checked(op: str, args: dict[str, object], words: list[str]) -> None:
    found = argument_problems(op, args)
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))


@pytest.mark.parametrize(
    ("text", "known", "answer"),
    [
        ("instnt", OPERATIONS, "did you mean instant?"),
        ("zzz", ["b", "a"], "known: a, b"),
        ("zzz", [], "none is declared"),
    ],
)
def test_a_misspelt_name_is_told_the_nearest_one(text: str, known: list[str], answer: str) -> None:
    assert did_you_mean(text, known) == answer
