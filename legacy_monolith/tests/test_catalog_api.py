"""The five catalogue routes, exactly: whoever takes them over has to answer the same."""

import re

import pytest

PRODUCT = {
    "id": int,
    "sku": str,
    "slug": str,
    "name": str,
    "description": str,
    "price": float,
    "currency": str,
    "in_stock": bool,
    "restock_note": (str, type(None)),
    "category": dict,
    "attributes": list,
    "tags": list,
    "updated_at": str,
}
SUMMARY = ("id", "sku", "slug", "name", "price", "currency", "in_stock", "updated_at")


def everything(browser, query=""):
    """All summaries, page by page."""
    first = browser.get(f"/api/products?per_page=100{query}").json()
    pages = range(2, -(-first["total"] // 100) + 1)
    rest = [browser.get(f"/api/products?per_page=100&page={page}{query}").json()["items"] for page in pages]
    return first["items"] + [item for items in rest for item in items]


def test_a_product_has_every_field_in_its_type(browser):
    for number in range(1, 25):
        product = browser.get(f"/api/products/{number}").json()
        assert {name for name, kind in PRODUCT.items() if isinstance(product[name], kind)} == set(product)
        assert set(product["category"]) == {"id", "slug", "name"}
        assert len(product["attributes"]) >= 2
        assert type(product["attributes"][0]["value"]) is int
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", product["updated_at"])
        assert product["price"] == round(product["price"], 2)


def test_what_is_sold_out_says_when_it_is_back(browser):
    sold_out, there = browser.get("/api/products/12").json(), browser.get("/api/products/1").json()
    assert (sold_out["in_stock"], isinstance(sold_out["restock_note"], str)) == (False, True)
    assert (there["in_stock"], there["restock_note"]) == (True, None)


def test_a_list_holds_the_same_values_as_the_product_itself(browser):
    for item in browser.get("/api/products").json()["items"]:
        product = browser.get(f"/api/products/{item['id']}").json()
        assert item == {name: product[name] for name in SUMMARY}


# what a list is sorted by, and the key that gives the same order
SORTED = [
    ("id", lambda item: item["id"]),
    ("name", lambda item: (item["name"], item["id"])),
    ("price", lambda item: (item["price"], item["id"])),
]


@pytest.mark.parametrize(("sort", "key"), SORTED)
def test_lists_are_sorted_and_ties_are_broken_by_id(browser, sort, key):
    items = everything(browser, f"&sort={sort}")
    assert items == sorted(items, key=key)


def test_pages_do_not_overlap_and_end(browser):
    total = browser.get("/api/products").json()["total"]
    items = everything(browser)
    assert [item["id"] for item in items] == list(range(1, total + 1))
    assert browser.get("/api/products?page=1000000").json()["items"] == []


def test_a_category_filter_holds_what_the_category_counts(browser):
    for category in browser.get("/api/categories").json()["items"]:
        listed = browser.get("/api/products", params={"category": category["slug"]}).json()
        shown = browser.get(f"/api/categories/{category['slug']}").json()
        assert listed["total"] == shown["product_count"]
        assert shown["products"] == listed["items"][:10]
        assert {name: shown[name] for name in ("id", "slug", "name")} == {
            name: category[name] for name in ("id", "slug", "name")
        }


def test_search_finds_upper_and_lower_case_of_any_letter(browser):
    name = next(item["name"] for item in everything(browser) if "ü" in item["name"])
    for words in (name, name.upper(), name.lower()):
        found = browser.get("/api/search", params={"q": words, "limit": 100}).json()
        assert found["query"] == words
        assert name in [item["name"] for item in found["items"]]


def test_search_takes_no_wildcards(browser):
    assert browser.get("/api/search", params={"q": "%"}).json()["total"] == 0
    assert browser.get("/api/search", params={"q": "_"}).json()["total"] == 0


# path, status, the exact refusal
REFUSED = [
    ("/api/products/999999999", 404, "not_found", "no such product"),
    ("/api/categories/nirgends", 404, "not_found", "no such category"),
    ("/api/products?page=0", 400, "bad_request", "page must be a whole number from 1"),
    ("/api/products?per_page=101", 400, "bad_request", "per_page must be a whole number from 1 to 100"),
    ("/api/products?sort=sku", 400, "bad_request", "sort must be id, name or price"),
    ("/api/search", 400, "bad_request", "q must not be empty"),
    ("/api/search?q=a&limit=0", 400, "bad_request", "limit must be a whole number from 1 to 100"),
]


@pytest.mark.parametrize(("path", "status", "kind", "message"), REFUSED)
def test_a_refusal_has_these_words(browser, path, status, kind, message):
    answer = browser.get(path)
    assert (answer.status_code, answer.json()) == (status, {"error": kind, "message": message})
    assert answer.headers["cache-control"] == "max-age=0"
