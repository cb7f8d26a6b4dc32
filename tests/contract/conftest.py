"""What a contract is held to: the same ledger and the same flags on every technology."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from migration.adapters.memory import MemoryLedger
from migration.bootstrap import open_ledger
from migration.core.plan import Plan
from migration.ports import Ledger
from tests.contract.side_databases import Banks, open_banks
from tests.unit.migration.migration_builders import a_plan

SERVICES = pytest.mark.services


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=SERVICES)])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database in which there is no ledger yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    database: Callable[[], str] = request.getfixturevalue("postgres_database")
    return database()


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=SERVICES)])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    if request.param == "memory":
        opened: Ledger = MemoryLedger()
    elif request.param == "sqlite":
        opened = open_ledger(f"sqlite:///{tmp_path}/ledger.db", create=True)
    else:
        opened = open_ledger(request.getfixturevalue("postgres_database")(), create=True)
    yield opened
    opened.close()


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """The plan with one route."""
    return a_plan(tmp_path)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=SERVICES)])
def banks(request: pytest.FixtureRequest, tmp_path: Path) -> Banks:
    """Two sides of one technology, capture not installed."""
    found = request.getfixturevalue("postgres_database") if request.param == "postgres" else None
    return open_banks(request.param, tmp_path, found)
