"""The ledger on a PostgreSQL that is killed, frozen or locked."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from migration.adapters.sql_engine import DEADLINE, open_engine, transaction
from migration.bootstrap import open_ledger
from migration.errors import LedgerError
from tests.contract.ledger_changes import A, change


@pytest.mark.services
@pytest.mark.parametrize("how", ["frozen", "killed"])
def test_a_postgresql_that_is_away_is_told_in_time_and_works_again_after(
    postgres_server: Any, how: str
) -> None:
    ledger = open_ledger(postgres_server.database(), create=True)
    ledger.ensure([A])
    postgres_server.sigstop() if how == "frozen" else postgres_server.kill9()
    for call in (ledger.routes, lambda: change(ledger, expected=0)):
        began = time.monotonic()
        with pytest.raises(LedgerError, match="the database is up"):
            call()
        assert time.monotonic() - began < 3
    postgres_server.ensure_running()
    assert change(ledger).version == 1


@pytest.mark.services
def test_a_postgresql_frozen_in_mid_transaction_is_left_after_the_deadline(postgres_server: Any) -> None:
    engine = open_engine(postgres_server.database(), create=False)

    def ask() -> None:
        with transaction(engine, writes=True) as connection:
            connection.execute(text("SELECT 1"))
            postgres_server.sigstop()
            connection.execute(text("SELECT 2"))

    began = time.monotonic()
    with pytest.raises(DatabaseError):
        ask()
    assert time.monotonic() - began < DEADLINE + 1


@pytest.mark.services
def test_a_row_locked_by_another_session_is_told_in_time(postgres_database: Callable[[], str]) -> None:
    url = postgres_database()
    ledger = open_ledger(url, create=True)
    ledger.ensure([A])
    with create_engine(url, poolclass=NullPool).begin() as other:
        other.execute(text("SELECT * FROM ledger FOR UPDATE"))
        began = time.monotonic()
        with pytest.raises(LedgerError):
            change(ledger, expected=0)
        assert time.monotonic() - began < 2
        assert ledger.routes()[A].version == 0
    assert change(ledger).version == 1
