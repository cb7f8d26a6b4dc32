"""The corpus: every case, by subject."""

from __future__ import annotations

from tests.hostile import cases_requests
from tests.hostile.case import Case

_SUBJECTS = (cases_requests,)


def corpus() -> tuple[Case, ...]:
    """Every case; names are unique."""
    return tuple(case for subject in _SUBJECTS for case in subject.cases())
