"""What the checker of a plan asks the outside, given to it as functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outside:
    """`mapping_problem(path, name)`: why the file holds no such object, as `what; cure`, or None."""

    zone_exists: Callable[[str], bool]
    mapping_problem: Callable[[str, str], str | None]
