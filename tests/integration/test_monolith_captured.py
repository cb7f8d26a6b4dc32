"""The sample monolith keeps its word with capture of its orders installed: its own suite, on both engines."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
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


def _suite(database: str) -> tuple[int, float]:
    """How many tests passed, and the seconds that they took."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "legacy_monolith/tests", "-q", "-p", "no:cacheprovider"],
        cwd=REPO, env={**os.environ, "SHOP_TEST_DATABASE": database},
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert "skipped" not in done.stdout
    return int(passed[1]), time.monotonic() - began


def _captured(database: str, outbox: str) -> int:
    """Marks of the suite's own writes."""
    engine = create_engine(database)
    try:
        with engine.connect() as connection:
            return int(connection.execute(text(f"SELECT count(*) FROM {outbox}")).scalar_one())
    finally:
        engine.dispose()


def _passes_as_without(
    plain: str, captured: str, outbox: str, owner: str, capsys: pytest.CaptureFixture[str]
) -> None:
    passed, without = _suite(plain)
    assert passed > 50, "the whole suite ran"
    before = _captured(owner, outbox)
    passed_too, took = _suite(captured)
    marks = _captured(owner, outbox) - before
    assert passed_too == passed
    assert marks > 30, "capture was not there"
    with capsys.disabled():
        print(
            f"\n{make_url(plain).get_backend_name()}: {passed} tests of the monolith in {without:.1f} s "
            f"without capture, in {took:.1f} s with it ({marks} marks)"
        )


@pytest.mark.slow
def test_its_own_suite_passes_with_capture_on_sqlite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, legacy, extracted = (f"sqlite:///{tmp_path / name}.db" for name in ("plain", "shop", "orders"))
    for database in (plain, legacy):
        _run(tmp_path, "legacy_monolith", "seed", "--database", database, *SIZES)
    _capture(tmp_path, legacy, extracted)
    _passes_as_without(plain, legacy, "sf_outbox", legacy, capsys)


@pytest.mark.services
@pytest.mark.slow
def test_its_own_suite_passes_with_capture_as_an_unprivileged_role_on_postgresql(
    tmp_path: Path, postgres_database: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    plain, legacy, extracted = (postgres_database() for _ in range(3))
    for database in (plain, legacy):
        _run(tmp_path, "legacy_monolith", "seed", "--database", database, *SIZES)
        with psycopg.connect(database.replace("+psycopg", ""), autocommit=True) as owner:
            owner.execute(_ROLE)
    _capture(tmp_path, legacy, extracted)
    as_role = [
        make_url(database).set(username="shop_only").render_as_string(hide_password=False)
        for database in (plain, legacy)
    ]
    with psycopg.connect(as_role[1].replace("+psycopg", "")) as shop, pytest.raises(psycopg.Error):
        shop.execute("SELECT * FROM sf.outbox")
    _passes_as_without(as_role[0], as_role[1], "sf.outbox", legacy, capsys)
