"""Placing an order in the service: once, whole or not at all, whatever happens around it."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from extracted.identity import HEADER
from extracted.orders.database import Database
from extracted.orders.schema import utc_now
from tests.contract.catalog_samples import run
from tests.contract.orders_samples import (
    FIRST,
    LAST,
    Customer,
    Databases,
    Facade,
    Samples,
    fill,
    give_ids,
    in_files,
    legacy,
    samples,
    service,
)
from tools.servers import Postgres

TABLES = ("orders", "order_lines", "payments", "answered", "calls")


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def databases(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Databases]:
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("placing")
        made = in_files(folder)
        fill(made)
        yield made
        return
    with Postgres() as server:
        made = Databases(server.database(), server.database())
        fill(made)
        yield made


@pytest.fixture(scope="module")
def pair(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samples]:
    with samples(databases, tmp_path_factory.mktemp("pair")) as pair:
        yield pair


@pytest.fixture
def customer(pair: Samples) -> Iterator[Customer]:
    with pair.customer(2) as customer:
        for item in customer.get("/api/cart").json()["items"]:
            customer.delete(f"/api/cart/items/{item['id']}")
        yield customer


def counts(pair: Samples) -> dict[str, int]:
    """How many rows each table of the service has."""
    return {table: pair.value("orders", f"SELECT count(*) FROM {table}") for table in TABLES}


def settled(pair: Samples) -> dict[str, int]:
    """The same once the monolith was told of every order: the calls to it go out in the background."""
    pair.until("SELECT count(*) FROM calls", 0)
    return counts(pair)


def stock_of(pair: Samples, product: int) -> int:
    found: int = pair.value("orders", f"SELECT quantity FROM stock WHERE product_id = {product}")
    return found


def quick(product: int = 1, quantity: int = 1, **more: Any) -> dict[str, Any]:
    return {"method": "card", "items": [{"product_id": product, "quantity": quantity}], **more}


# -- once ------------------------------------------------------------------------------------------


def test_a_repeated_request_gets_its_first_answer(customer: Customer, pair: Samples) -> None:
    customer.put_into_cart(3, 2)
    key, before = {"Idempotency-Key": "first"}, stock_of(pair, 3)
    first = customer.ask("POST", "/api/orders", json={"method": "card"}, headers=key)
    again = customer.ask("POST", "/api/orders", json={"method": "card"}, headers=key)
    assert first.status_code == 201
    assert (again.status_code, again.content, again.headers["location"]) == (
        first.status_code,
        first.content,
        first.headers["location"],
    )
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (
        None,
        "true",
    )
    assert before - stock_of(pair, 3) == 2


def test_a_repeated_form_leads_to_the_first_order(customer: Customer) -> None:
    customer.put_into_cart(3, 2)
    form, key = {"method": "card", "csrf_token": customer.token()}, {"Idempotency-Key": "form"}
    first, again = (customer.ask("POST", "/checkout", data=form, headers=key) for _ in range(2))
    assert (first.status_code, again.headers["location"]) == (302, first.headers["location"])


def test_a_key_with_another_request_is_refused(customer: Customer) -> None:
    key = {"Idempotency-Key": "other"}
    assert customer.ask("POST", "/api/orders", json=quick(1), headers=key).status_code == 201
    refused = customer.ask("POST", "/api/orders", json=quick(2), headers=key)
    assert (refused.status_code, refused.json()["error"]) == (422, "error")


def test_somebody_elses_key_is_another_key(customer: Customer, pair: Samples) -> None:
    with pair.customer(4) as other:
        key = {"Idempotency-Key": "shared"}
        answers = [who.ask("POST", "/api/orders", json=quick(), headers=key) for who in (customer, other)]
    assert len({answer.json()["id"] for answer in answers}) == 2


def test_a_refused_order_uses_no_key_up(customer: Customer, pair: Samples) -> None:
    key, before = {"Idempotency-Key": "later"}, settled(pair)
    assert customer.ask("POST", "/api/orders", json=quick(12), headers=key).status_code == 409
    assert counts(pair) == before
    with pair.guest() as admin:
        admin.as_admin()
        admin.fill_in("/admin/stock", {"product_id": "12", "quantity": "1"})
    assert customer.ask("POST", "/api/orders", json=quick(12), headers=key).status_code == 201
    assert customer.ask("POST", "/api/orders", json=quick(12)).status_code == 409


@pytest.mark.parametrize("key", ["", "a" * 256, "two words"])
def test_a_key_that_is_none_is_refused(customer: Customer, key: str) -> None:
    refused = customer.ask("POST", "/api/orders", json=quick(), headers={"Idempotency-Key": key})
    assert (refused.status_code, refused.json()["error"]) == (400, "bad_request")


def test_many_requests_with_one_key_are_one_order_in_two_processes(customer: Customer, pair: Samples) -> None:
    """Within a process the second is told to wait, across processes it waits; nobody gets another order."""
    token, before = pair.facade.token(customer.known()), counts(pair)["orders"]
    with service(pair.databases, pair.facade, pair.legacy_url) as (_, other):
        urls = [pair.orders_url, other] * 12

        def send(url: str) -> httpx.Response:
            headers = {HEADER: token, "Idempotency-Key": "crowd", "X-Forwarded-For": "192.0.2.7"}
            return httpx.post(f"{url}/api/orders", json=quick(), headers=headers, timeout=20)

        with ThreadPoolExecutor(16) as crowd:
            answers = list(crowd.map(send, urls))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert counts(pair)["orders"] - before == 1


# -- whole or not at all ---------------------------------------------------------------------------


def test_the_last_pieces_are_sold_once_and_nobody_waits_for_ever(customer: Customer, pair: Samples) -> None:
    """Two processes, sixteen threads, two products in both orders: 30 pieces of each are 30 orders."""
    with pair.guest() as admin:
        admin.as_admin()
        for product in ("20", "21"):
            admin.fill_in("/admin/stock", {"product_id": product, "quantity": "30"})
    token, before = pair.facade.token(customer.known()), counts(pair)
    both = [{"product_id": 20, "quantity": 1}, {"product_id": 21, "quantity": 1}]
    with service(pair.databases, pair.facade, pair.legacy_url) as (_, other):

        def send(number: int) -> int:
            items = both if number % 4 < 2 else both[::-1]
            url = (pair.orders_url, other)[number % 2]
            headers = {HEADER: token, "X-Forwarded-For": "192.0.2.7"}
            asked = {"method": "card", "items": items}
            return httpx.post(f"{url}/api/orders", json=asked, headers=headers, timeout=20).status_code

        with ThreadPoolExecutor(16) as crowd:
            statuses = Counter(crowd.map(send, range(60)))
    assert statuses == {201: 30, 409: 30}
    assert (stock_of(pair, 20), stock_of(pair, 21)) == (0, 0)
    after = counts(pair)
    assert [after[table] - before[table] for table in TABLES[:3]] == [30, 60, 30]


def test_without_a_number_nothing_is_done(customer: Customer, pair: Samples) -> None:
    database = Database(pair.databases.orders)
    next_ones = pair.value("orders", "SELECT max(legacy_id) + 100 FROM order_lines")
    give_ids(database, next_ones, next_ones + 1)
    before, stock = settled(pair), stock_of(pair, 5)
    three = [{"product_id": number, "quantity": 1} for number in (5, 6, 7)]
    refused = customer.ask("POST", "/api/orders", json={"method": "card", "items": three})
    assert (refused.status_code, refused.json()["error"]) == (503, "out_of_ids")
    assert refused.headers["retry-after"]
    assert (counts(pair), stock_of(pair, 5)) == (before, stock)
    give_ids(database, next_ones + 1000, LAST)
    database.close()
    assert customer.ask("POST", "/api/orders", json={"method": "card", "items": three}).status_code == 201


def test_a_block_of_numbers_that_are_taken_does_nothing(customer: Customer, pair: Samples) -> None:
    database, before = Database(pair.databases.orders), counts(pair)
    free = pair.value("orders", "SELECT max(legacy_id) + 10000 FROM order_lines")
    give_ids(database, 1, LAST)
    refused = customer.ask("POST", "/api/orders", json=quick(5))
    give_ids(database, free, LAST)
    database.close()
    assert (refused.status_code, refused.json()["error"]) == (503, "busy")
    assert counts(pair)["orders"] == before["orders"]


FENCES = {
    False: [
        "CREATE TRIGGER fence BEFORE INSERT ON orders BEGIN SELECT RAISE(ABORT, 'strangler: moved'); END"
    ],
    True: [
        """CREATE FUNCTION fence() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN RAISE EXCEPTION 'orders moved' USING ERRCODE = 'SF001'; END$$""",
        "CREATE TRIGGER fence BEFORE INSERT ON orders EXECUTE FUNCTION fence()",
    ],
}


def test_behind_a_closed_fence_nothing_is_done(customer: Customer, pair: Samples) -> None:
    database = Database(pair.databases.orders)
    for statement in FENCES[database.postgres]:
        database.write(lambda work, statement=statement: work.run(statement))  # type: ignore[misc]
    try:
        before, stock = settled(pair), stock_of(pair, 5)
        refused = customer.ask("POST", "/api/orders", json=quick(5), headers={"Idempotency-Key": "fence"})
        assert (refused.status_code, refused.json()["error"]) == (503, "moved")
        assert (counts(pair), stock_of(pair, 5)) == (before, stock)
    finally:
        drop = "DROP TRIGGER fence ON orders" if database.postgres else "DROP TRIGGER fence"
        database.write(lambda work: work.run(drop))
        database.close()
    taken = customer.ask("POST", "/api/orders", json=quick(5), headers={"Idempotency-Key": "fence"})
    assert taken.status_code == 201


# -- the monolith is told --------------------------------------------------------------------------


def test_quick_orders_are_told_in_the_background_and_once(customer: Customer, pair: Samples) -> None:
    mails = "SELECT count(*) FROM email_log WHERE subject = 'Your order {}'"
    numbers = [customer.ask("POST", "/api/orders", json=quick()).json()["id"] for _ in range(5)]
    assert min(numbers) >= FIRST
    pair.until("SELECT count(*) FROM calls", 0)
    for number in numbers:
        assert pair.value("legacy", mails.format(number)) == 1


def test_what_the_monolith_did_not_hear_it_is_told_later(tmp_path: Path) -> None:
    """It died after the order: cart, coupon and mail are seen to once it is back, and nothing is guessed."""
    databases = in_files(tmp_path)
    fill(databases)
    facade, used = Facade(tmp_path), "SELECT used FROM coupons WHERE code = 'SPRING5'"
    with contextlib.ExitStack() as shops:
        shop, url = shops.enter_context(legacy(databases, tmp_path))
        _, orders_url = shops.enter_context(service(databases, facade, url))
        pair = Samples(databases, facade, url, orders_url)
        with pair.customer(6) as customer:
            item = customer.put_into_cart(5, 2)
            customer.post("/api/coupons/apply", json={"code": "SPRING5"})
            cart, before = customer.known()["cart"], pair.value("legacy", used)
            os.killpg(shop.pid, signal.SIGKILL)
            shop.wait()
            number = owe(pair, cart, customer=6, coupon="SPRING5", items=[[item, 2]])
            token = facade.token({"sub": "6", "cart": cart})
            refused = customer.ask("POST", "/api/orders", token, json={"method": "card"})
            assert (refused.status_code, refused.json()["error"]) == (503, "busy")
            shops.enter_context(legacy(databases, tmp_path, httpx.URL(url).port or 0))
            pair.until("SELECT count(*) FROM calls", 0)
            assert customer.get("/api/cart").json()["items"] == []
            assert pair.value("legacy", used) == before + 1
            mails = f"SELECT count(*) FROM email_log WHERE subject = 'Your order {number}'"
            assert pair.value("legacy", mails) == 1


OWED = itertools.count(1_900_000)


def owe(pair: Samples, cart: int, *, customer: int, coupon: str | None, items: list[list[int]]) -> int:
    """What an order leaves behind whose service died before it told the monolith."""
    owed = next(OWED)
    note = {"order_id": owed, "customer_id": customer, "coupon": coupon, "cart_id": cart, "items": items}
    row = {"order_id": owed, "cart_id": cart, "body": json.dumps(note), "at": utc_now()}
    database = Database(pair.databases.orders)
    database.write(lambda work: work.insert([("calls", [row])]))
    database.close()
    return owed


def test_an_owed_cart_is_emptied_before_it_is_ordered_again(customer: Customer, pair: Samples) -> None:
    """The service died between its commit and the call: the same cart must not be ordered twice."""
    item, cart = customer.put_into_cart(7, 1), customer.known()["cart"]
    owe(pair, cart, customer=2, coupon=None, items=[[item, 1]])
    refused = customer.ask("POST", "/api/orders", json={"method": "card"})
    assert (refused.status_code, refused.json()["message"]) == (409, "Your cart is empty.")


# -- every night -----------------------------------------------------------------------------------


def test_the_nightly_job_does_what_the_monoliths_does(databases: Databases) -> None:
    database = Database(databases.orders)
    newest = database.read("SELECT max(legacy_id) AS id FROM orders")[0]["id"]
    old = {"number": newest}
    forgotten = "UPDATE orders SET status = 'new', placed_at = :then WHERE legacy_id = :number"
    database.write(lambda work: work.run(forgotten, old | {"then": datetime(2026, 1, 1, tzinfo=UTC)}))
    for missing in (None, 0):
        done = run("extracted.orders", "nightly", "--database", databases.orders)
        assert done.returncode == 0, done.stderr
        if missing is not None:
            assert [int(line.split()[0]) for line in done.stdout.splitlines()] == [0, 0, 0]
    invoiced = database.read(
        "SELECT count(*) AS n FROM orders o LEFT JOIN invoices i ON i.order_id = o.id "
        "WHERE o.status = 'paid' AND i.id IS NULL"
    )
    cancelled = database.read("SELECT status FROM orders WHERE legacy_id = :number", old)
    database.close()
    assert (invoiced[0]["n"], cancelled[0]["status"]) == (0, "cancelled")


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (("run", "--database", "sqlite:////nowhere/orders.db"), {}, "there is no database file"),
        (("run", "--database", "postgresql://127.0.0.1:1/x"), {}, "create-schema"),
        (("run", "--database", "nonsense"), {}, "not a database URL"),
        (("run",), {"ORDERS_TZ": "Mars/Olympus"}, "which is no time zone"),
        (("run",), {"ORDERS_BUILD": "two words"}, "ASCII without blanks"),
        (("run",), {"ORDERS_LEGACY_URL": "nowhere"}, "is no address"),
        (("create-schema", "--database", "postgresql://127.0.0.1:1/x"), {}, "refused"),
        (("nightly", "--database", "sqlite:////nowhere/orders.db"), {}, "there is no database file"),
    ],
)
def test_what_cannot_run_says_why_in_one_line(
    arguments: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    done = run(
        "extracted.orders", *arguments, *(("--port", "0") if arguments[0] == "run" else ()), **environment
    )
    assert done.returncode == 3, done.stderr
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
