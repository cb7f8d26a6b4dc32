"""The invariants, under any order of events that Hypothesis thinks of."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.sync.machine import SyncMachine

_PATIENT = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


@pytest.mark.slow
def test_the_invariants_hold_on_sqlite() -> None:
    run_state_machine_as_test(
        SyncMachine,
        settings=settings(
            max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=_PATIENT
        ),
    )


@pytest.mark.services
def test_the_invariants_hold_on_postgresql(postgres_database: Callable[[], str]) -> None:
    machine = type(
        "PostgresMachine",
        (SyncMachine,),
        {"engine": "postgres", "new_database": staticmethod(postgres_database)},
    )
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=5, stateful_step_count=20, deadline=None, suppress_health_check=_PATIENT
        ),
    )
