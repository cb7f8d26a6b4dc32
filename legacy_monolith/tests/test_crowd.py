"""Many visitors at once: ten browsers against eight threads and one database file."""

import threading

from legacy_monolith.tests.browser import Browser


def shop_around(url, number, seen):
    """What one visitor of the crowd does; keeps the statuses."""
    with Browser(url) as browser:
        browser.as_customer(number)
        for turn in range(1, 9):
            seen.append(browser.get(f"/api/products/{turn}").status_code)
            seen.append(browser.get("/").status_code)
            seen.append(browser.post("/api/cart/items", json={"product_id": turn}).status_code)
            seen.append(browser.post("/api/orders", json={}).status_code)


def test_a_crowd_that_browses_and_orders_sees_no_error(own_shop):
    seen = []
    crowd = [threading.Thread(target=shop_around, args=(own_shop.url, n, seen)) for n in range(1, 11)]
    for visitor in crowd:
        visitor.start()
    for visitor in crowd:
        visitor.join()
    assert {status: seen.count(status) for status in set(seen)} == {200: 160, 201: 160}
