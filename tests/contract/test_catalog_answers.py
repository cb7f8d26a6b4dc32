"""The catalog answers what the monolith answers, asked over HTTP: both samples run on one small seed."""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx
import pytest

ROOT = Path(__file__).parents[2]
PRODUCTS = 300
BERLIN = ZoneInfo("Europe/Berlin")
COMPARED_HEADERS = ("content-type", "cache-control", "location", "content-disposition")
FAULTS = ("missing", "rounding", "type")


class Pair:
    """The two running samples, asked the same question."""

    def __init__(self, legacy: str, catalog: str) -> None:
        self.catalog_url = catalog
        self.legacy = httpx.Client(base_url=legacy, trust_env=False)
        self.catalog = httpx.Client(base_url=catalog, trust_env=False)

    def ask(self, path: str, method: str = "GET") -> tuple[httpx.Response, httpx.Response]:
        return self.legacy.request(method, path), self.catalog.request(method, path)

    def close(self) -> None:
        self.legacy.close()
        self.catalog.close()


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    env = os.environ | environment
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


def start(*arguments: str, **environment: str) -> tuple[subprocess.Popen[str], str]:
    """The process, and the URL that its first line names."""
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        assert waiting.select(timeout=20), f"{arguments} said nothing"
    url = re.search(r"http://\S+", process.stdout.readline())
    assert url, f"{arguments} ended with {process.wait(5)}"
    return process, url.group()


def stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout:
        process.stdout.close()


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("catalog")
    shop, catalog = f"sqlite:///{folder}/shop.db", f"sqlite:///{folder}/catalog.db"
    seeded = run(
        *("legacy_monolith", "seed", "--database", shop),
        *("--products", str(PRODUCTS), "--customers", "5", "--orders", "20"),
    )
    assert seeded.returncode == 0, seeded.stderr
    imported = run("extracted.catalog", "import", "--source", shop, "--database", catalog)
    assert imported.returncode == 0, imported.stderr
    assert f"imported {PRODUCTS} products and 12 categories, removed 0" in imported.stdout
    return shop, catalog


@pytest.fixture(scope="module")
def samples(databases: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    shop, catalog = databases
    media = str(tmp_path_factory.mktemp("media"))
    legacy, legacy_url = start("legacy_monolith", "run", "--port", "0", "--database", shop, SHOP_MEDIA=media)
    service, service_url = start(
        "extracted.catalog", "run", "--port", "0", "--database", catalog, CATALOG_DEMO="1"
    )
    pair = Pair(legacy_url, service_url)
    yield pair
    pair.close()
    stop(service)
    stop(legacy)


@pytest.fixture
def pair(samples: Pair) -> Iterator[Pair]:
    switch(samples)
    yield samples
    switch(samples)


def switch(pair: Pair, *faults: str) -> None:
    assert pair.catalog.put("/_faults", json={"faults": list(faults)}).status_code == 200


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


def test_every_product_is_answered_alike(pair: Pair) -> None:
    for number in range(1, PRODUCTS + 1):
        old, new = pair.ask(f"/api/products/{number}")
        assert old.status_code == 200
        assert_equal(old, new)


PATHS = (
    "/api/products",
    *(
        f"/api/products?page={page}&per_page={size}&sort={sort}"
        for sort in ("id", "name", "price")
        for page, size in ((1, 100), (2, 100), (3, 100), (4, 100), (7, 13), (31, 10), (1000000, 100))
    ),
    "/api/products?category=garten",
    f"/api/products?category={quote('küche')}&sort=price&per_page=7&page=2",
    f"/api/products?category={quote('日本の器')}&sort=name",
    "/api/products?category=nowhere",
    "/api/products?category=",
    "/api/products?page=1&page=zwei",
    "/api/products?unknown=parameter",
    "/api/categories",
    *(
        f"/api/categories/{quote(slug)}"
        for slug in ("küche", "garten", "café-tee", "öle-kräuter", "日本の器")
    ),
    *(
        f"/api/search?q={quote(words)}"
        for words in (
            "tasse",
            "TASSE",
            "ÖL",
            "öl",
            "SCHÜSSEL",
            "weiße",
            "茶碗",
            " tasse ",
            "a",
            "12",
            "nichts",
        )
    ),
    "/api/search?q=a&limit=1",
    "/api/search?q=a&limit=100",
    "/api/search?q=%25",
    "/api/search?q=_",
    "/api/search?q=%5C",
    "/api/search?q=%27",
    "/api/search?q=%ff",
)


@pytest.mark.parametrize("path", PATHS)
def test_lists_categories_and_searches_are_answered_alike(pair: Pair, path: str) -> None:
    old, new = pair.ask(path)
    assert old.status_code == 200
    assert_equal(old, new)


REFUSED = (
    ("/api/products/0", 404),
    (f"/api/products/{PRODUCTS + 1}", 404),
    ("/api/products/2147483647", 404),
    ("/api/products/2147483648", 404),
    (f"/api/products/{10**30}", 404),
    ("/api/products/abc", 404),
    ("/api/products/-1", 404),
    ("/api/products/1.5", 404),
    (f"/api/products/{quote('blaue-tasse')}", 404),
    ("/api/categories/nowhere", 404),
    (f"/api/categories/{quote('Küche')}", 404),
    (f"/api/categories/{quote('Café & Tee')}", 404),
    ("/api/nothing", 404),
    *(
        (f"/api/products?page={page}", 400)
        for page in ("0", "-1", "x", "", "1.0", "1000001", "%201", "1_0", "９")
    ),
    *((f"/api/products?per_page={size}", 400) for size in ("0", "101", "x", "")),
    *((f"/api/products?sort={sort}", 400) for sort in ("", "stock", "ID", "id;drop")),
    ("/api/search", 400),
    ("/api/search?q=", 400),
    ("/api/search?q=%20", 400),
    ("/api/search?q=a&limit=0", 400),
    ("/api/search?q=a&limit=101", 400),
    ("/api/search?q=a&limit=viele", 400),
)


@pytest.mark.parametrize(("path", "status"), REFUSED)
def test_what_is_refused_is_refused_alike(pair: Pair, path: str, status: int) -> None:
    old, new = pair.ask(path)
    assert old.status_code == status
    assert_equal(old, new)


def test_another_method_is_refused_alike(pair: Pair) -> None:
    old, new = pair.ask("/api/products/1", "POST")
    assert old.status_code == 405
    assert_equal(old, new)


def test_the_head_of_an_answer_is_answered_alike(pair: Pair) -> None:
    old, new = pair.ask("/api/products/1", "HEAD")
    assert (new.status_code, new.content) == (old.status_code, b"") == (200, b"")


def spoiled_by_type(answer: dict[str, Any]) -> None:
    answer["attributes"][0]["value"] = str(answer["attributes"][0]["value"])


def spoiled_by_rounding(answer: dict[str, Any]) -> None:
    if answer["id"] % 50 == 7:
        answer["price"] = round(answer["price"] - 0.01, 2)


def spoiled_by_missing(answer: dict[str, Any]) -> None:
    if not answer["in_stock"]:
        del answer["restock_note"]


@pytest.mark.parametrize(
    ("name", "spoil", "touched"),
    [
        ("type", spoiled_by_type, PRODUCTS),
        ("rounding", spoiled_by_rounding, PRODUCTS // 50),
        ("missing", spoiled_by_missing, PRODUCTS // 12),
    ],
)
def test_a_planted_fault_changes_its_field_and_nothing_else(
    pair: Pair, name: str, spoil: Any, touched: int
) -> None:
    switch(pair, name)
    different = 0
    for number in range(1, PRODUCTS + 1):
        old, new = pair.ask(f"/api/products/{number}")
        expected = in_utc(old.json())
        clean = exactly(expected)
        spoil(expected)
        assert exactly(new.json()) == exactly(expected)
        assert new.headers["X-Build"] == f"catalog-1+faults.{name}"
        different += exactly(new.json()) != clean
    assert different == touched


@pytest.mark.parametrize(
    "path", ["/api/products?per_page=100", "/api/categories", "/api/categories/garten", "/api/search?q=a"]
)
def test_faults_are_planted_in_no_other_route(pair: Pair, path: str) -> None:
    switch(pair, *FAULTS)
    assert_equal(*pair.ask(path))


def test_a_switched_fault_reaches_every_thread_at_once(pair: Pair) -> None:
    """More connections than the service has threads: an answer never names a build it was not made by."""
    clients = [httpx.Client(base_url=pair.catalog_url, trust_env=False) for _ in range(12)]
    for faults in ([], ["type"], ["rounding", "missing"], ["type", "missing", "rounding"], []):
        switch(pair, *faults)
        build = f"catalog-1+faults.{'.'.join(sorted(faults))}" if faults else "catalog-1"
        for client in clients:
            answer = client.get("/api/products/12")
            assert answer.headers["X-Build"] == build
            assert isinstance(answer.json()["attributes"][0]["value"], str) == ("type" in faults)
            assert ("restock_note" in answer.json()) == ("missing" not in faults)
    for client in clients:
        client.close()


def test_the_command_line_shows_sets_and_clears_faults(pair: Pair) -> None:
    def faults(*arguments: str) -> str:
        done = run("extracted.catalog", "faults", *arguments, "--url", pair.catalog_url)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert faults("show") == "faults: none (build catalog-1)"
    assert faults("set", "type,rounding") == "faults: rounding, type (build catalog-1+faults.rounding.type)"
    assert faults("show") == "faults: rounding, type (build catalog-1+faults.rounding.type)"
    assert faults("clear") == "faults: none (build catalog-1)"


def test_faults_are_switched_by_nobody_who_comes_through_a_proxy(pair: Pair) -> None:
    answer = pair.catalog.put("/_faults", json={"faults": ["type"]}, headers={"X-Forwarded-For": "192.0.2.1"})
    assert answer.status_code == 404
    assert pair.catalog.get("/_faults").json()["faults"] == []


def test_both_samples_say_their_build_on_every_answer(pair: Pair) -> None:
    for path in ("/api/products/1", "/api/products/0", "/api/nothing", "/api/search"):
        old, new = pair.ask(path)
        assert (old.headers["X-Build"], new.headers["X-Build"]) == ("legacy-1", "catalog-1")


def test_the_service_is_alive_and_ready(pair: Pair) -> None:
    assert pair.catalog.get("/livez").json() == {"status": "alive"}
    assert pair.catalog.get("/readyz").json() == {"status": "ready", "products": PRODUCTS}


def test_faults_cannot_be_switched_outside_demo_mode(databases: tuple[str, str]) -> None:
    service, url = start(
        "extracted.catalog", "run", "--port", "0", "--database", databases[1], CATALOG_DEMO=""
    )
    try:
        refused = run("extracted.catalog", "faults", "set", "type", "--url", url)
        assert (refused.returncode, refused.stdout) == (3, "")
        assert "CATALOG_DEMO=1" in refused.stderr
    finally:
        stop(service)


def test_importing_again_follows_the_monolith(databases: tuple[str, str], tmp_path: Path) -> None:
    """Twice the same source changes nothing; a smaller source removes what it no longer has."""
    small, target = f"sqlite:///{tmp_path}/small.db", f"sqlite:///{tmp_path}/catalog.db"
    run(
        "legacy_monolith",
        "seed",
        "--database",
        small,
        "--products",
        "40",
        "--customers",
        "1",
        "--orders",
        "0",
    )
    said = [
        run("extracted.catalog", "import", "--source", source, "--database", target).stdout
        for source in (databases[0], databases[0], small)
    ]
    assert [line.partition(", in ")[0] for line in said] == [
        f"imported {PRODUCTS} products and 12 categories, removed 0",
        f"imported {PRODUCTS} products and 12 categories, removed 0",
        f"imported 40 products and 12 categories, removed {PRODUCTS - 40}",
    ]


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


def test_a_taken_port_is_told(pair: Pair, databases: tuple[str, str]) -> None:
    port = str(httpx.URL(pair.catalog_url).port)
    done = run("extracted.catalog", "run", "--port", port, "--database", databases[1])
    assert done.returncode == 3
    assert "Address already in use; stop what is there, or give --port" in done.stderr


def test_the_death_of_the_process_is_the_end_of_the_service(databases: tuple[str, str]) -> None:
    """SIGKILL of the one process that was started: no orphaned worker keeps answering."""
    service, url = start("extracted.catalog", "run", "--port", "0", "--database", databases[1])
    assert httpx.get(f"{url}/livez", trust_env=False).status_code == 200
    service.kill()
    service.wait()
    assert service.stdout
    service.stdout.close()
    deadline = time.monotonic() + 5
    while answers(url):
        assert time.monotonic() < deadline, "somebody still answers"
        time.sleep(0.02)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez", trust_env=False, timeout=1).status_code == 200
    except httpx.HTTPError:
        return False
