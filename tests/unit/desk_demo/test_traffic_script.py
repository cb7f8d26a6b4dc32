"""Visits are decided by dice beforehand: repeatable, bounded, and as exact as a test needs."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from desk.demo.script import VIEWS_ONLY, Author, Mix, Script, Shop, route_of, visits


def browser(number: int, *, mix: Mix | None = None, shop: Shop | None = None, think: float = 0.5) -> Script:
    return Author(Random(f"1/{number}"), shop or Shop(), mix or Mix(), think).browser()


def client(number: int) -> Script:
    return Author(Random(f"1/{number}"), Shop(), Mix(), 0.5).client()


def routes(script: Script) -> list[str]:
    return [step.route for moment in script for step in moment.steps]


def test_the_same_dice_give_the_same_visit() -> None:
    assert [browser(n) for n in range(50)] == [browser(n) for n in range(50)]
    assert browser(1) != browser(2)


def test_a_browser_opens_a_page_first_and_alone() -> None:
    """The page's answer brings the key; whatever came beside it would come without."""
    for number in range(200):
        first = browser(number)[0]
        assert [step.navigation for step in first.steps] == [True]
        assert first.think == 0


def test_a_browser_views_about_four_products() -> None:
    views = [routes(browser(n, mix=Mix(error=0))).count("show_product") for n in range(500)]
    assert set(views) == {3, 4, 5}
    assert 3.9 < sum(views) / len(views) < 4.1


@pytest.mark.parametrize("views", [0, 1, 7])
def test_a_counting_test_gets_the_page_and_exactly_its_views(views: int) -> None:
    mix = Mix(views=views, **{name: getattr(VIEWS_ONLY, name) for name in SHARES}, exact_views=True)
    for number in range(50):
        script = browser(number, mix=mix)
        assert [len(moment.steps) for moment in script] == [1] * (views + 1)
        assert routes(script)[1:] == ["show_product"] * views


SHARES = (
    *("listing", "search", "categories", "category", "burst"),
    *("cart", "login", "order", "error", "unkeyed"),
)


def test_pauses_stay_below_twice_the_mean() -> None:
    pauses = [moment.think for number in range(200) for moment in browser(number, think=1.0)]
    assert max(pauses) <= 2.0
    assert 0.7 < sum(pauses) / len(pauses) < 1.1


def test_a_first_page_asks_for_several_things_at_once_in_half_of_the_visits() -> None:
    bursts = [moment for number in range(400) for moment in browser(number) if len(moment.steps) > 1]
    assert 150 < len(bursts) < 250
    assert all(moment.think == 0 for moment in bursts)


def test_an_order_follows_login_and_cart() -> None:
    ordering = [steps for number in range(500) if "place_order" in (steps := routes(browser(number)))]
    assert len(ordering) > 20
    for steps in ordering:
        bought = [name for name in steps if name in ("login", "add_to_cart", "show_cart", "place_order")]
        assert bought[-4:] == ["login", "add_to_cart", "show_cart", "place_order"]


def test_nobody_logs_in_to_a_shop_without_customers() -> None:
    for number in range(200):
        assert "place_order" not in routes(browser(number, shop=Shop(50, 0)))


def test_nothing_is_bought_that_is_sold_out() -> None:
    """Else an order could fail for want of stock, and the traffic would change what is in stock."""
    bought = [
        step.body["product_id"]
        for number in range(500)
        for moment in browser(number)
        for step in moment.steps
        if step.route == "add_to_cart" and step.body
    ]
    assert bought
    assert all(1 <= number <= 500 and number % 12 for number in bought)


def test_two_percent_of_the_views_meet_the_planted_rounding_fault() -> None:
    """Popular products are viewed more often; the share of a remainder of fifty stays what it is."""
    seen = Counter(
        int(step.path.rpartition("/")[2]) % 50
        for number in range(5000)
        for moment in browser(number, mix=Mix(error=0))
        for step in moment.steps
        if step.route == "show_product"
    )
    assert 0.017 < seen[7] / seen.total() < 0.025


def test_a_visit_of_a_shop_with_one_product_stays_inside() -> None:
    for number in range(50):
        for moment in browser(number, mix=Mix(error=0), shop=Shop(1, 1)):
            assert all(
                step.path == "/api/products/1" for step in moment.steps if step.route == "show_product"
            )


def test_a_client_without_cookies_calls_the_api_only() -> None:
    for number in range(100):
        steps = [step for moment in client(number) for step in moment.steps]
        assert 1 <= len(steps) <= 3
        assert all(step.path.startswith("/api/") and not step.navigation for step in steps)


def test_some_visits_make_a_mistake() -> None:
    mistakes = sum(
        len(routes(browser(n, mix=Mix(error=1)))) - len(routes(browser(n, mix=Mix(error=0))))
        for n in range(100)
    )
    assert mistakes > 0


def test_paths_are_dealt_out_so_that_each_is_asked_for_once() -> None:
    paths = [f"/api/products/{number}" for number in range(1, 24)]
    scripts = list(visits(paths, 5))
    assert len(scripts) == 5
    assert all(script[0].steps[0].path == "/" for script in scripts)
    asked = Counter(step.path for script in scripts for moment in script[1:] for step in moment.steps)
    assert asked == Counter(paths)


def test_no_more_people_are_called_than_there_are_paths() -> None:
    assert len(list(visits(["/api/categories"], 20))) == 1


def test_nobody_cannot_ask_for_anything() -> None:
    with pytest.raises(ValueError, match="at least one browser"):
        list(visits(["/api/categories"], 0))


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/api/products/17", "show_product"),
        ("/api/products/17?x=1", "show_product"),
        ("/api/products/x", "other"),
        ("/api/products", "list_products"),
        ("/api/products?page=2", "list_products"),
        ("/api/categories", "list_categories"),
        ("/api/categories/k%C3%BCche", "show_category"),
        ("/api/categories/", "other"),
        ("/api/search?q=a", "search_products"),
        ("/", "home"),
        ("/c/garten", "other"),
    ],
)
def test_a_path_is_known_by_the_plan_s_name_of_its_route(path: str, route: str) -> None:
    assert route_of(path) == route


@pytest.mark.parametrize("wrong", [{"error": 1.5}, {"burst": -0.1}, {"views": -1}])
def test_a_wrong_mix_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Mix(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("products", "customers"), [(0, 1), (1, -1)])
def test_a_shop_without_goods_is_refused(products: int, customers: int) -> None:
    with pytest.raises(ValueError):
        Shop(products, customers)
