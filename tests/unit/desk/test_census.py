"""Counting a census: everything that was asked for is accounted for, and grouped."""

from __future__ import annotations

import pytest

from desk.core.census import Census, Compared, Difference, read_paths, summary


def census(*compared: Compared) -> Census:
    found = Census()
    for one in compared:
        found.add(one)
    return found


EQUAL = Compared("/equal")
DIFFERS = Compared("/d", (Difference("type", "a", "1", '"1"'),))
UNKNOWN = Compared("/u", reason="old: timed out")


@pytest.mark.parametrize(
    ("compared", "outcome", "said"),
    [
        ((EQUAL,), "equal", "1 path: 1 equal, 0 differ."),
        ((EQUAL, DIFFERS), "differ", "2 paths: 1 equal, 1 differ."),
        ((EQUAL, UNKNOWN), "incomplete", "2 paths: 1 equal, 0 differ, 1 not compared."),
        ((DIFFERS, UNKNOWN), "differ", "2 paths: 0 equal, 1 differ, 1 not compared."),
        ((), "incomplete", "0 paths: 0 equal, 0 differ."),
    ],
)
def test_equal_is_said_only_when_everything_was_compared(compared, outcome, said):
    assert (census(*compared).outcome, summary(census(*compared))) == (outcome, said)


def test_differences_of_one_kind_at_one_place_are_one_finding_with_the_first_as_its_example():
    one = Difference("value", "items[*].price", "1", "2")
    found = census(Compared("/1", (one, one)), Compared("/2", (one,)), DIFFERS).findings()
    assert [(each.where, each.paths, each.places, each.example) for each in found] == [
        ("items[*].price", 2, 3, "/1"),
        ("a", 1, 1, "/d"),
    ]


def test_samples_are_kept_short():
    found = census(Compared("/1", (Difference("value", "a", "x" * 999, "y" * 999),))).findings()[0]
    assert (len(found.old), len(found.new)) == (200, 200)


def test_a_list_of_paths_skips_remarks_and_names_the_lines_it_cannot_use():
    paths, wrong = read_paths(["/a\n", "\n", "  # no\n", " /b?x=1 \n", "c\n", "/d e\n", "/\x1b[31m\n"])
    assert paths == ["/a", "/b?x=1"]
    assert [line.partition(":")[0] for line in wrong] == ["line 5", "line 6", "line 7"]
