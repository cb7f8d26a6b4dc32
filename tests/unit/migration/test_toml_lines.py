"""Where each key of a TOML text stands."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.core.toml_lines import key_lines, line_of

TEXT = '''# a comment with [brackets] and = signs
a = 1
b.c = "x # no comment" # one
"quoted key" = 'it = [1]'
long = """
[not.a.table]
k = 1 "" ""\\"""" # two quotes before the end
raw = \'\'\'
]] \'\' it's \'\'\'
list = [ # first
  1,
  "two, ]",
  [3, 4],
  { deep = 5 },
]
[t]
inline = { x = 1, y = { z = [2] } }
day = 2026-03-01T12:00:00Z
empty = []
nothing = {}
[[t.rows]]
name = "first"
[[t.rows]]
name = "second"
[t.rows.sub]
k = 1
[other . "dotted.key"]
k = true
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 2),
        (("b", "c"), 3),
        (("quoted key",), 4),
        (("long",), 5),
        (("raw",), 8),
        (("list",), 10),
        (("list", 0), 11),
        (("list", 1), 12),
        (("list", 2, 1), 13),
        (("list", 3, "deep"), 14),
        (("t",), 16),
        (("t", "inline", "y", "z", 0), 17),
        (("t", "day"), 18),
        (("t", "rows", 0, "name"), 22),
        (("t", "rows", 1), 23),
        (("t", "rows", 1, "name"), 24),
        (("t", "rows", 1, "sub", "k"), 26),
        (("other", "dotted.key", "k"), 28),
        (("t", "nothing", "missing"), 20),
        (("no", "such"), 1),
    ],
)
def test_each_key_is_found_on_its_line(path: tuple[str | int, ...], line: int) -> None:
    assert tomllib.loads(TEXT)
    assert line_of(key_lines(TEXT), path) == line


@given(st.text(alphabet="ab=[]{}\"'#.,\n \\1", max_size=60))
def test_whatever_it_is_given_it_comes_to_an_end(text: str) -> None:
    key_lines(text)


def test_a_text_that_is_no_toml_ends_the_scan() -> None:
    assert line_of(key_lines("a = 1\n= = ="), ("a",)) == 1
    assert line_of(key_lines("a = [}"), ("a",)) == 1
