"""The corpus: every case, by subject."""

from __future__ import annotations

from tests.hostile import (
    cases_answers,
    cases_bodies,
    cases_caches,
    cases_chunks,
    cases_cleaning,
    cases_cut,
    cases_desync,
    cases_fallback,
    cases_forward,
    cases_framing,
    cases_hosts,
    cases_limits,
    cases_lines,
    cases_poison,
    cases_pool,
    cases_retry,
    cases_routes,
    cases_targets,
    cases_tunnel,
    cases_upgrade,
)
from tests.hostile.case import Case

_SUBJECTS = (
    cases_framing,
    cases_chunks,
    cases_lines,
    cases_hosts,
    cases_targets,
    cases_limits,
    cases_cleaning,
    cases_upgrade,
    cases_tunnel,
    cases_forward,
    cases_bodies,
    cases_answers,
    cases_cut,
    cases_pool,
    cases_retry,
    cases_poison,
    cases_desync,
    cases_routes,
    cases_fallback,
    cases_caches,
)


def corpus() -> tuple[Case, ...]:
    """Every case; names are unique."""
    return tuple(case for subject in _SUBJECTS for case in subject.cases())
