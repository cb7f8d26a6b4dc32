"""The order service answers what the monolith answers: the same customer sends both the same requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from extracted.identity import HEADER
from tests.contract.orders_samples import FIRST, Customer, Databases, Samples, fill, in_files, samples
from tools.servers import Postgres

HEADERS = ("content-type", "content-disposition")


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samples]:
    folder = tmp_path_factory.mktemp("orders")
    if request.param == "sqlite":
        yield from filled(in_files(folder), folder)
        return
    with Postgres() as server:
        yield from filled(Databases(server.database(), server.database()), folder)


def filled(databases: Databases, folder: Path) -> Iterator[Samples]:
    fill(databases)
    with samples(databases, folder) as pair:
        yield pair


@pytest.fixture
def customer(pair: Samples, request: pytest.FixtureRequest) -> Iterator[Customer]:
    """Somebody whose cart nobody else has used."""
    with pair.customer(1 + abs(hash(request.node.name)) % 30) as customer:
        yield customer


def told(answer: httpx.Response) -> Any:
    """An answer without what differs between two orders: number, moment, and where to read it."""
    found = answer.json()
    if isinstance(found, dict):
        found = {name: value for name, value in found.items() if name not in ("id", "placed_at")}
    return json.dumps(found, sort_keys=True)


def assert_alike(old: httpx.Response, new: httpx.Response) -> None:
    assert (new.status_code, told(new)) == (old.status_code, told(old))
    assert [new.headers.get(name) for name in HEADERS] == [old.headers.get(name) for name in HEADERS]


def test_every_order_of_a_customer_is_told_alike(pair: Samples) -> None:
    compared = 0
    for number in range(1, 31):
        with pair.customer(number) as customer:
            old, new = customer.get("/api/orders"), customer.ask("GET", "/api/orders")
            assert new.json() == old.json()
            for order in old.json()["items"]:
                path = f"/api/orders/{order['id']}"
                assert customer.ask("GET", path).json() == customer.get(path).json()
                compared += 1
    assert compared == 60


@pytest.mark.parametrize(
    "path",
    ["/api/orders/0", "/api/orders/2147483648", f"/api/orders/{10**30}", "/api/orders/-1", "/api/orders/x",
     "/api/orders/1/", "/api/stock?ids=1,12,7,999999", "/api/stock", "/api/stock?ids=1,",
     "/api/stock?ids=%D9%A1"],
)  # fmt: skip
def test_what_is_read_or_refused_is_answered_alike(customer: Customer, path: str) -> None:
    assert_alike(customer.get(path), customer.ask("GET", path))


CARTS = [
    ([(1, 1)], None, {"method": "card"}),
    ([(5, 3), (2, 1), (7, 2)], None, {"method": "invoice"}),
    ([(1, 99)], "VIP20", {"method": "paypal"}),
    ([(9, 1), (3, 2)], "WELCOME10", {}),
    ([(4, 1)], None, {"method": "card", "client_reference": "ref-{}"}),
    ([], None, {"method": "card"}),
    ([(1, 1)], None, {"method": "shells"}),
    ([(1, 1)], None, {"method": ["card"]}),
]


@pytest.mark.parametrize(("goods", "coupon", "order"), CARTS)
def test_a_cart_is_ordered_alike(
    customer: Customer, goods: list[tuple[int, int]], coupon: str | None, order: dict[str, Any]
) -> None:
    answers = []
    for side, send in enumerate((customer.request, customer.ask)):
        # What a refused order left in the cart would be ordered with the next one.
        for item in customer.get("/api/cart").json()["items"]:
            customer.delete(f"/api/cart/items/{item['id']}")
        for product, quantity in goods:
            customer.put_into_cart(product, quantity)
        if coupon:
            customer.post("/api/coupons/apply", json={"code": coupon})
        asked = json.loads(json.dumps(order).replace("{}", f"{side}"))
        answers.append(send("POST", "/api/orders", json=asked))
    old, new = answers
    if "client_reference" in order:
        assert (old.json()["client_reference"], new.json()["client_reference"]) == ("ref-0", "ref-1")
        return
    assert_alike(old, new)
    if new.status_code == 201:
        assert new.json()["id"] >= FIRST
        assert new.headers["location"] == f"/api/orders/{new.json()['id']}"
        assert customer.ask("GET", new.headers["location"]).json() == new.json()
        assert customer.get("/api/cart").json()["items"] == []
        assert customer.get("/api/cart").json()["coupon"] is None


ITEMS: list[Any] = [
    [{"product_id": 6, "quantity": 2}, {"product_id": 5, "quantity": 1}],
    [{"product_id": 1, "quantity": 99}],
    [],
    "1",
    None,
    [1],
    [{"product_id": "1", "quantity": 1}],
    [{"product_id": 1, "quantity": True}],
    [{"product_id": 1, "quantity": 1}] * 2,
    [{"product_id": 1, "quantity": 0}],
    [{"product_id": 1, "quantity": 100}],
    [{"product_id": 0, "quantity": 1}],
    [{"product_id": 10**30, "quantity": 1}],
    [{"product_id": 999, "quantity": 1}],
    [{"product_id": 12, "quantity": 1}],
    [{"product_id": 1, "quantity": 1}, {"product_id": 12, "quantity": 1}],
]


@pytest.mark.parametrize("items", ITEMS)
@pytest.mark.parametrize("address", ["192.0.2.7", "203.0.113.9", "10.0.0.1"])
def test_a_quick_order_is_taken_alike(customer: Customer, items: Any, address: str) -> None:
    asked = {"json": {"method": "card", "items": items}, "headers": {"X-Forwarded-For": address}}
    assert_alike(
        customer.request("POST", "/api/orders", **asked), customer.ask("POST", "/api/orders", **asked)
    )


def test_a_reference_is_used_once(customer: Customer) -> None:
    asked = {"method": "card", "items": [{"product_id": 1, "quantity": 1}], "client_reference": "once"}
    first = [customer.post("/api/orders", json=asked), customer.ask("POST", "/api/orders", json=asked)]
    assert [answer.status_code for answer in first] == [201, 201]
    again = customer.post("/api/orders", json=asked), customer.ask("POST", "/api/orders", json=asked)
    assert_alike(*again)
    assert again[1].status_code == 409


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"method":1}', b'"card"', b"[" * 100_000, b"\xff"])
def test_a_body_that_says_nothing_is_read_alike(customer: Customer, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    assert_alike(
        customer.post("/api/orders", content=body, headers=headers),
        customer.ask("POST", "/api/orders", content=body, headers=headers),
    )


def test_a_guest_is_told_to_log_in(pair: Samples) -> None:
    with pair.guest() as guest:
        for method, path in (("GET", "/api/orders"), ("GET", "/api/orders/1"), ("POST", "/api/orders")):
            assert_alike(guest.request(method, path), guest.ask(method, path))
        old, new = guest.get("/checkout"), guest.ask("GET", "/checkout")
        assert (new.status_code, new.headers["location"]) == (old.status_code, old.headers["location"])
        old, new = (
            guest.submit("/checkout", {"method": "card"}),
            guest.fill_in("/checkout", {"method": "card"}),
        )
        assert (new.status_code, new.headers["location"]) == (old.status_code, old.headers["location"])


def test_the_checkout_page_is_the_monoliths(customer: Customer) -> None:
    customer.put_into_cart(1, 2)
    old, new = customer.get("/checkout"), customer.ask("GET", "/checkout")
    assert (new.status_code, new.text) == (200, old.text)


def test_a_cart_is_checked_out_alike(customer: Customer) -> None:
    for send in (customer.submit, customer.fill_in):
        customer.put_into_cart(1, 2)
        answer = send("/checkout", {"method": "invoice"})
        assert answer.status_code == 302
        assert answer.headers["location"].startswith("/account/orders/")
        # Only the monolith writes its cookie; what it set goes through the service to the browser.
        for cookie in answer.headers.get_list("set-cookie"):
            customer.cookies.set("shop_session", cookie.split(";")[0].split("=", 1)[1], domain="127.0.0.1")
        assert "Thank you for your order." in customer.get("/account").text
        assert customer.get("/api/cart").json()["items"] == []


def test_a_cart_that_cannot_be_checked_out_is_shown_with_the_reason(customer: Customer) -> None:
    customer.put_into_cart(1, 2)
    old, new = (send("/checkout", {"method": "shells"}) for send in (customer.submit, customer.fill_in))
    assert (new.status_code, new.headers["content-type"]) == (old.status_code, old.headers["content-type"])
    assert "Pay by card, invoice, paypal." in new.text
    assert "".join(new.text.split()) == "".join(old.text.split())


@pytest.mark.parametrize("path", ["/checkout", "/admin/stock", "/admin/orders/1/status"])
def test_a_form_without_its_token_is_refused_alike(customer: Customer, path: str) -> None:
    customer.token()
    for token in ({}, {"csrf_token": "guess"}, {"csrf_token": "ü"}):
        old, new = customer.post(path, data=token), customer.ask("POST", path, data=token)
        assert (new.status_code, old.status_code) == (400, 400)
        assert "The form has expired." in new.text
    headers = {"Accept": "application/json"}
    assert_alike(customer.post(path, headers=headers), customer.ask("POST", path, headers=headers))


BEHIND_THE_COUNTER: list[tuple[str, dict[str, str]]] = [
    ("/admin/orders/1/status", {"status": "shipped"}),
    ("/admin/orders/1/status", {"status": "lost"}),
    ("/admin/orders/999999/status", {"status": "paid"}),
    (f"/admin/orders/{10**20}/status", {"status": "paid"}),
    ("/admin/stock", {"product_id": "9", "quantity": "0"}),
    ("/admin/stock", {"product_id": "9", "quantity": "1000"}),
    ("/admin/stock", {"product_id": "9", "quantity": "-1"}),
    ("/admin/stock", {"product_id": "999", "quantity": "1"}),
    ("/admin/stock", {"product_id": "x", "quantity": "1"}),
    ("/admin/stock", {}),
]


@pytest.mark.parametrize(("path", "form"), BEHIND_THE_COUNTER)
@pytest.mark.parametrize("admin", [True, False])
def test_what_is_done_behind_the_counter_is_done_alike(
    pair: Samples, path: str, form: dict[str, str], admin: bool
) -> None:
    with pair.guest() as somebody:
        somebody.as_admin() if admin else somebody.as_customer(3)
        old, new = somebody.submit(path, form), somebody.fill_in(path, form)
        assert (new.status_code, new.headers.get("location")) == (
            old.status_code,
            old.headers.get("location"),
        )
        for read in ("/api/stock?ids=9",):
            assert_alike(somebody.get(read), somebody.ask("GET", read))


FORGED = {
    "somebody else's audience": lambda facade: facade.token({"sub": "1"}, audience="catalog"),
    "an old one": lambda facade: facade.token({"sub": "1"}, age=120),
    "nonsense": lambda _: "a.b.c",
    "cut short": lambda facade: facade.token({"sub": "1"})[:-4],
}


@pytest.mark.parametrize("forged", FORGED)
def test_an_identity_that_the_facade_did_not_make_is_refused(pair: Samples, forged: str) -> None:
    token = FORGED[forged](pair.facade)
    for method, path in (("GET", "/api/orders"), ("POST", "/api/orders"), ("POST", "/checkout")):
        answer = httpx.request(method, pair.orders_url + path, headers={HEADER: token})
        assert answer.status_code == 401


def test_it_says_its_build_and_its_health(pair: Samples) -> None:
    for path, status in (("/livez", 200), ("/readyz", 200), ("/nothing", 404), ("/api/orders", 401)):
        answer = httpx.get(pair.orders_url + path)
        assert (answer.status_code, answer.headers["x-build"]) == (status, "orders-1")
