"""The sample monolith keeps its word with capture of its orders installed: its own suite, on both engines."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, make_url, text

REPO = Path(__file__).parents[2]
SIZES = ("--products", "48", "--customers", "20", "--orders", "60")  # what the suite seeds by itself
PLAN = """include = ["slices/orders.toml"]
[legacy]
url = "http://127.0.0.1:1"
database = "{legacy}"
[services.orders]
url = "http://127.0.0.1:2"
database = "{extracted}"
[flags]
source = "file:.strangler/flags.json"
"""
# It may write rows and nothing else: no table is its own, and the schema of ours does not exist for it.
_ROLE = """
DO $$BEGIN CREATE ROLE shop_only LOGIN; EXCEPTION WHEN duplicate_object THEN END$$;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO shop_only;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO shop_only;
"""


def _run(home: Path, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=home, env={**os.environ, "PYTHONPATH": str(REPO), "NO_COLOR": "1"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"


def _capture(home: Path, legacy: str, extracted: str) -> None:
    """The orders of a seeded shop, as a person would."""
    shutil.copytree(REPO / "slices", home / "slices")
    (home / "plan.toml").write_text(PLAN.format(legacy=legacy, extracted=extracted), encoding="utf-8")
    _run(home, "extracted.orders", "create-schema", "--database", extracted)
    _run(home, "desk", "flags", "init")
    _run(home, "desk", "capture", "install", "orders")


def _suite(database: str) -> None:
    """All of the monolith's tests pass on that database (without capture they do among the quick tests)."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "legacy_monolith/tests", "-q", "-p", "no:cacheprovider"],
        cwd=REPO, env={**os.environ, "SHOP_TEST_DATABASE": database},
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    passed = re.search(r"(\d+) passed in", done.stdout)
    assert passed is not None, f"none skipped, none left out: {done.stdout[-300:]}"
    assert int(passed[1]) > 200, "the whole suite ran"


def _captured(database: str, outbox: str) -> int:
    """Marks of the suite's own writes."""
    engine = create_engine(database)
    try:
        with engine.connect() as connection:
            return int(connection.execute(text(f"SELECT count(*) FROM {outbox}")).scalar_one())
    finally:
        engine.dispose()


def _passes(database: str, outbox: str, owner: str) -> None:
    before = _captured(owner, outbox)
    _suite(database)
    assert _captured(owner, outbox) - before > 30, "capture was not there"


@pytest.mark.slow
def test_its_own_suite_passes_with_capture_on_sqlite(tmp_path: Path) -> None:
    legacy, extracted = (f"sqlite:///{tmp_path / name}.db" for name in ("shop", "orders"))
    _run(tmp_path, "legacy_monolith", "seed", "--database", legacy, *SIZES)
    _capture(tmp_path, legacy, extracted)
    _passes(legacy, "sf_outbox", legacy)


@pytest.mark.services
@pytest.mark.slow
def test_its_own_suite_passes_with_capture_as_an_unprivileged_role_on_postgresql(
    tmp_path: Path, postgres_database: Callable[[], str]
) -> None:
    legacy, extracted = postgres_database(), postgres_database()
    _run(tmp_path, "legacy_monolith", "seed", "--database", legacy, *SIZES)
    with psycopg.connect(legacy.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute(_ROLE)
    _capture(tmp_path, legacy, extracted)
    as_role = make_url(legacy).set(username="shop_only").render_as_string(hide_password=False)
    with psycopg.connect(as_role.replace("+psycopg", "")) as shop, pytest.raises(psycopg.Error):
        shop.execute("SELECT * FROM sf.outbox")
    _passes(as_role, "sf.outbox", legacy)
