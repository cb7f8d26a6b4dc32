"""The newest lines of the log name what changed since a round, or say that they cannot."""

from __future__ import annotations

import pytest

from sync.core.recent import Line, applied_rows, changed
from sync.core.rounds import Named
from sync.core.values import Applied

LOG: list[Line] = [
    (4, 9, "order", "[7]"),
    (3, 9, "line", "[70]"),
    (2, 8, "order", "[7]"),
    (1, 5, "order", '["a"]'),
]


@pytest.mark.parametrize(
    ("lines", "number", "found"),
    [
        (LOG, 9, set()),
        (LOG, 8, {("order", (7,)), ("line", (70,))}),
        (LOG, 5, {("order", (7,)), ("line", (70,))}),
        (LOG, 0, {("order", (7,)), ("line", (70,)), ("order", ("a",))}),
        (LOG[:3], 8, {("order", (7,)), ("line", (70,))}),
        (LOG[:3], 5, None),
        (LOG[:3], 0, None),
        ([], 0, None),
    ],
)
def test_the_keys_of_later_rounds(lines: list[Line], number: int, found: set[Named] | None) -> None:
    assert changed(lines, number) == found


def test_rows_of_the_map_have_their_keys_parsed() -> None:
    assert applied_rows([("order", '["a"]', "[1]", 2, 9, 1)]) == [Applied("order", ("a",), (1,), 2, 9, True)]
