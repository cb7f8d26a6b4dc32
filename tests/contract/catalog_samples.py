"""Both samples, started on one small seed and asked the same questions: what these contract tests share."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx

ROOT = Path(__file__).parents[2]
PRODUCTS = 300
BERLIN = ZoneInfo("Europe/Berlin")
COMPARED_HEADERS = ("content-type", "cache-control", "location", "content-disposition")


@dataclass(frozen=True)
class Databases:
    """The URLs of the monolith's database and of the catalog's."""

    shop: str
    catalog: str


def in_files(folder: Path) -> Databases:
    """Two SQLite files."""
    return Databases(f"sqlite:///{folder}/shop.db", f"sqlite:///{folder}/catalog.db")


def fill(databases: Databases) -> None:
    """Seed the monolith, and import its catalog."""
    sizes = ("--products", str(PRODUCTS), "--customers", "5", "--orders", "20")
    seeded = run("legacy_monolith", "seed", "--database", databases.shop, *sizes)
    assert seeded.returncode == 0, seeded.stderr
    imported = run_import(databases.shop, databases.catalog)
    assert imported.returncode == 0, imported.stderr
    assert f"imported {PRODUCTS} products and 12 categories, removed 0" in imported.stdout


def run_import(source: str, target: str) -> subprocess.CompletedProcess[str]:
    """The import, to its end."""
    return run("extracted.catalog", "import", "--source", source, "--database", target)


@contextlib.contextmanager
def both(databases: Databases, folder: Path) -> Iterator[Pair]:
    """The two samples, running on free ports."""
    at = ("run", "--port", "0", "--database")
    with (
        started("legacy_monolith", *at, databases.shop, SHOP_MEDIA=str(folder)) as (_, legacy),
        started("extracted.catalog", *at, databases.catalog, CATALOG_DEMO="1", CATALOG_STOCK_URL=legacy) as (
            _,
            catalog,
        ),
        contextlib.closing(Pair(legacy, catalog)) as pair,
    ):
        yield pair


class Pair:
    """The two running samples, asked the same question."""

    def __init__(self, legacy: str, catalog: str) -> None:
        self.catalog_url = catalog
        self.legacy = httpx.Client(base_url=legacy, trust_env=False)
        self.catalog = httpx.Client(base_url=catalog, trust_env=False)

    def ask(self, path: str, method: str = "GET") -> tuple[httpx.Response, httpx.Response]:
        return self.legacy.request(method, path), self.catalog.request(method, path)

    def plant(self, *faults: str) -> None:
        """Make exactly these faults active."""
        assert self.catalog.put("/_faults", json={"faults": list(faults)}).status_code == 200

    def close(self) -> None:
        self.legacy.close()
        self.catalog.close()


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    env = os.environ | environment
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


@contextlib.contextmanager
def started(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and the URL that its first line names; stopped at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process, first_url(process)
    finally:
        stop(process)


def first_url(process: subprocess.Popen[str]) -> str:
    """The URL in the first line of what the process says."""
    assert process.stdout
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        assert waiting.select(timeout=20), f"{process.args!r} said nothing"
    url = re.search(r"http://\S+", process.stdout.readline())
    assert url, f"{process.args!r} ended with {process.wait(5)}"
    return url.group()


def stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout:
        process.stdout.close()


def in_utc(value: Any) -> Any:
    """The monolith's answer as the plan's rule `instant` reads it: `updated_at` is local time in Berlin."""
    if isinstance(value, list):
        return [in_utc(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return {key: to_instant(inner) if key == "updated_at" else in_utc(inner) for key, inner in value.items()}


def to_instant(local: str) -> str:
    moment = datetime.fromisoformat(local).replace(tzinfo=BERLIN).astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def exactly(value: Any) -> str:
    """JSON with sorted keys: unlike `==`, it tells 1 from 1.0 and from true."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def assert_equal(old: httpx.Response, new: httpx.Response) -> None:
    assert new.status_code == old.status_code
    assert [new.headers.get(name) for name in COMPARED_HEADERS] == [
        old.headers.get(name) for name in COMPARED_HEADERS
    ]
    assert exactly(new.json()) == exactly(in_utc(old.json()))
