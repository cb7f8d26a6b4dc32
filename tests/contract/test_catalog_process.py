"""The catalog as a process: import, start, health, and one clear line for whatever stops it."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from tests.contract.catalog_samples import PRODUCTS, Databases, fill, in_files, run, run_import, started


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Databases:
    databases = in_files(tmp_path_factory.mktemp("process"))
    fill(databases)
    return databases


def test_the_service_is_alive_and_ready(databases: Databases) -> None:
    with serving(databases) as (_, url):
        assert httpx.get(f"{url}/livez", trust_env=False).json() == {"status": "alive"}
        assert httpx.get(f"{url}/readyz", trust_env=False).json() == {"status": "ready", "products": PRODUCTS}


def serving(
    databases: Databases, demo: str = ""
) -> AbstractContextManager[tuple[subprocess.Popen[str], str]]:
    at = ("run", "--port", "0", "--database", databases.catalog)
    return started("extracted.catalog", *at, CATALOG_DEMO=demo)


def test_faults_cannot_be_switched_outside_demo_mode(databases: Databases) -> None:
    with serving(databases) as (_, url):
        refused = run("extracted.catalog", "faults", "set", "type", "--url", url)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "CATALOG_DEMO=1" in refused.stderr


def test_importing_again_follows_the_monolith(databases: Databases, tmp_path: Path) -> None:
    """Twice the same source changes nothing; a smaller source removes what it no longer has."""
    mine = in_files(tmp_path)
    sizes = ("--products", "40", "--customers", "1", "--orders", "0")
    assert run("legacy_monolith", "seed", "--database", mine.shop, *sizes).returncode == 0
    said = [run_import(source, mine.catalog).stdout for source in (databases.shop, databases.shop, mine.shop)]
    assert [line.partition(", in ")[0] for line in said] == [
        f"imported {PRODUCTS} products and 12 categories, removed 0",
        f"imported {PRODUCTS} products and 12 categories, removed 0",
        f"imported 40 products and 12 categories, removed {PRODUCTS - 40}",
    ]


def test_a_database_that_goes_away_is_told_and_comes_back(databases: Databases, tmp_path: Path) -> None:
    """Not ready, 503 in the monolith's shape, alive; and well again without a restart."""
    moved = tmp_path / "catalog.db"
    shutil.copy(databases.catalog.removeprefix("sqlite:///"), moved)
    with (
        serving(Databases(databases.shop, f"sqlite:///{moved}")) as (_, url),
        httpx.Client(base_url=url) as client,
    ):
        assert client.get("/readyz").status_code == 200
        with contextlib.closing(sqlite3.connect(moved)) as thief:
            thief.execute("ALTER TABLE products RENAME TO elsewhere")
        assert client.get("/livez").status_code == 200
        assert client.get("/readyz").status_code == 503
        answer = client.get("/api/categories")
        assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
        assert answer.headers["X-Build"] == "catalog-1"
        with contextlib.closing(sqlite3.connect(moved)) as thief:
            thief.execute("ALTER TABLE elsewhere RENAME TO products")
        assert client.get("/api/categories").status_code == 200


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (("run", "--database", "sqlite:////nowhere/catalog.db"), {}, "there is no database file"),
        (("run", "--database", "sqlite://"), {}, "fill it with: python -m extracted.catalog import"),
        (("run", "--database", "postgresql://127.0.0.1:1/x"), {}, "fill it with"),
        (("run", "--database", "nonsense"), {}, "not a database URL"),
        (("run", "--port", "99999"), {}, "cannot listen"),
        (("run",), {"CATALOG_FAULTS": "type"}, "CATALOG_DEMO=1"),
        (("run",), {"CATALOG_FAULTS": "typo", "CATALOG_DEMO": "1"}, "there is no fault 'typo'"),
        (("import", "--source", "sqlite:////nowhere/shop.db"), {}, "there is no database file"),
        (("faults", "show", "--url", "http://127.0.0.1:1"), {}, "does not answer"),
        (("faults", "set", "typo"), {}, "there is no fault 'typo'"),
        (("faults", "set"), {}, "name the faults"),
    ],
)
def test_what_cannot_run_says_why_in_one_line(
    arguments: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    port = () if arguments[0] != "run" or "--port" in arguments else ("--port", "0")
    done = run("extracted.catalog", *arguments, *port, **environment)
    assert done.returncode == 3
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_taken_port_is_told(databases: Databases) -> None:
    with serving(databases) as (_, url):
        port = str(httpx.URL(url).port)
        done = run("extracted.catalog", "run", "--port", port, "--database", databases.catalog)
    assert done.returncode == 3
    assert "Address already in use; stop what is there, or give --port" in done.stderr


def test_the_death_of_the_process_is_the_end_of_the_service(databases: Databases) -> None:
    """SIGKILL of the one process that was started: no orphaned worker keeps answering."""
    with serving(databases) as (service, url):
        assert answers(url)
        service.kill()
        service.wait()
        deadline = time.monotonic() + 5
        while answers(url):
            assert time.monotonic() < deadline, "somebody still answers"
            time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_service(databases: Databases, number: signal.Signals) -> None:
    with serving(databases) as (service, url):
        assert answers(url)
        service.send_signal(number)
        assert service.wait(10) == 0
        assert not answers(url)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez", trust_env=False, timeout=1).status_code == 200
    except httpx.HTTPError:
        return False
