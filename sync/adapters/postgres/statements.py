"""The statements of `catalog.sql` and its neighbours by name."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@cache
def statements(file: str) -> dict[str, str]:
    """Every `-- name: x` of a file with what follows it."""
    parts = _NAME.split((files(__package__) / file).read_text())
    return dict(zip(parts[1::2], parts[2::2], strict=True))
