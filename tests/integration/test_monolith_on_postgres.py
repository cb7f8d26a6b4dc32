"""The sample monolith keeps its word on PostgreSQL too: its own suite, against a database of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

REPO = Path(__file__).parents[2]
pytestmark = pytest.mark.services


@pytest.mark.slow
def test_its_own_suite_passes_on_postgres(postgres_database: Callable[[], str]) -> None:
    """As a process of its own: the suite is the monolith's, and knows neither us nor our fixtures."""
    database = postgres_database()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "legacy_monolith/tests", "-q", "-p", "no:cacheprovider"],
        cwd=REPO, env={**os.environ, "SHOP_TEST_DATABASE": database},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 50, "the whole suite ran"
    assert "skipped" not in done.stdout
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        orders = connection.execute("SELECT count(*) FROM orders").fetchone()
    assert orders is not None
    assert orders[0] > 60, "its shop stood on this database: the seed made 60 orders, the tests made more"
