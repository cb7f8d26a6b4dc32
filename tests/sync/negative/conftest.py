"""Two new databases for each control; those of PostgreSQL alone carry the marker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.side_databases import Banks, open_banks


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def banks(request: pytest.FixtureRequest, tmp_path: Path) -> Banks:
    """Both engines, capture not installed."""
    found = request.getfixturevalue("postgres_database") if request.param == "postgres" else None
    return open_banks(request.param, tmp_path, found)


@pytest.fixture
def postgres_banks(postgres_database: Callable[[], str], tmp_path: Path) -> Banks:
    """For what only an engine with concurrent writers can get wrong."""
    return open_banks("postgres", tmp_path, postgres_database)


@pytest.fixture
def sqlite_banks(tmp_path: Path) -> Banks:
    """For what only an engine with one writer can get wrong."""
    return open_banks("sqlite", tmp_path)
