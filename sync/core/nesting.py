"""How deep JSON may be nested: whoever compares, logs or writes it recurses, and Python's stack ends."""

from __future__ import annotations

import re

# Python reads, compares and writes about 900 levels, less what is on its stack already: half is safe.
DEEPEST = 400
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKETS = re.compile(r"[\[{]|[\]}]")


def too_deep(text: str) -> bool:
    """Whether this JSON is nested deeper than we carry; nearly all of it has too few brackets for that."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return False
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > DEEPEST:
            return True
    return False
