"""How the core refuses a request."""

from __future__ import annotations

from facade.core.problem import Problem
from facade.errors import Refused


def refuse(status: int, code: str, detail: str, *, retry_after: int | None = None) -> Refused:
    """The refusal to raise."""
    return Refused(Problem(status, code, detail, retry_after))
