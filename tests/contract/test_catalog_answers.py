"""The catalog answers what the monolith answers, asked over HTTP: both samples run on one small seed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.contract.catalog_samples import PRODUCTS, Databases, Pair, assert_equal, both, fill, in_files
from tools.servers import Postgres


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("catalog")
    if request.param == "sqlite":
        yield from filled(in_files(folder), folder)
        return
    with Postgres() as server:
        yield from filled(Databases(server.database(), server.database()), folder)


def filled(databases: Databases, folder: Path) -> Iterator[Pair]:
    fill(databases)
    with both(databases, folder) as pair:
        yield pair


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


def test_both_samples_say_their_build_on_every_answer(pair: Pair) -> None:
    for path in ("/api/products/1", "/api/products/0", "/api/nothing", "/api/search"):
        old, new = pair.ask(path)
        assert (old.headers["X-Build"], new.headers["X-Build"]) == ("legacy-1", "catalog-1")
