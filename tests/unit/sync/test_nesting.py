"""Depth is counted in brackets that are no text."""

from __future__ import annotations

import json

import pytest

from sync.core.nesting import DEEPEST, too_deep


@pytest.mark.parametrize(
    ("text", "deep"),
    {
        "shallow": ("[1]", False),
        "as deep as it may be": ("[" * DEEPEST + "]" * DEEPEST, False),
        "deeper": ('{"a":' * (DEEPEST + 1) + "1" + "}" * (DEEPEST + 1), True),
        "wide": (json.dumps([[each] for each in range(DEEPEST * 2)]), False),
        "brackets in a text": (json.dumps('\\"[{' * DEEPEST), False),
    }.values(),
)
def test_depth_is_told_from_width_and_from_text(text, deep):
    assert too_deep(text) is deep
