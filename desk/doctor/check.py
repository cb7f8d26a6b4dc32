"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: `bad` must be cured, `warn` should be known; `cure` is what to do."""

    name: str
    level: Literal["ok", "warn", "bad"]
    what: str
    cure: str = ""


def ok(name: str, what: str) -> Check:
    """All right."""
    return Check(name, "ok", what)


def warn(name: str, what: str, cure: str) -> Check:
    """Works, but a person should know."""
    return Check(name, "warn", what, cure)


def bad(name: str, what: str, cure: str) -> Check:
    """Does not work."""
    return Check(name, "bad", what, cure)
