"""The service, its database or the monolith die in the middle: what was acknowledged is there, once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from extracted.identity import HEADER
from tests.contract.orders_samples import (
    FIRST,
    Databases,
    Facade,
    Samples,
    fill,
    in_files,
    legacy,
    samples,
    service,
)
from tools.servers import Postgres

pytestmark = pytest.mark.slow
PRODUCTS = range(1, 9)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Databases]:
    if request.param == "sqlite":
        made = in_files(tmp_path)
        fill(made)
        yield made
        return
    with Postgres() as server:
        made = Databases(server.database(), server.database())
        fill(made)
        yield made


def test_orders_survive_the_service_exactly_once(databases: Databases, tmp_path: Path) -> None:
    """Eight clients repeat each order until it is acknowledged, while the service is killed six times."""
    facade, stop = Facade(tmp_path), threading.Event()
    address: list[str] = []
    with legacy(databases, tmp_path) as (_, legacy_url), ThreadPoolExecutor(8) as crowd:
        pair = Samples(databases, facade, legacy_url, "")
        before = shelves(pair)
        clients = [crowd.submit(buy, number, facade, address, stop) for number in range(8)]
        for _ in range(6):
            with service(databases, facade, legacy_url) as (process, url):
                address[:] = [url]
                time.sleep(1.0)
                os.killpg(process.pid, signal.SIGKILL)
        with service(databases, facade, legacy_url) as (_, url):
            address[:] = [url]
            time.sleep(1.0)
            stop.set()
            acknowledged = [reference for client in clients for reference in client.result()]
            pair.until("SELECT count(*) FROM calls", 0)
        check(pair, acknowledged, before)


def buy(number: int, facade: Facade, address: list[str], stop: threading.Event) -> list[str]:
    """The references of the orders that were acknowledged to one client."""
    done: list[str] = []
    token_at, token = 0.0, ""
    while not stop.is_set():
        reference = f"{number}-{len(done)}"
        product = PRODUCTS[len(done) % len(PRODUCTS)]
        items = [{"product_id": product, "quantity": 2}, {"product_id": product % 8 + 1, "quantity": 1}]
        asked = {"method": "card", "items": items, "client_reference": reference}
        while not stop.is_set():
            if time.monotonic() - token_at > 10:
                token_at, token = time.monotonic(), facade.token({"sub": str(number + 1)})
            headers = {HEADER: token, "Idempotency-Key": reference, "X-Forwarded-For": "192.0.2.7"}
            try:
                url = f"{address[0]}/api/orders"
                answer = httpx.post(url, json=asked, headers=headers, timeout=10, trust_env=False)
            except (httpx.HTTPError, IndexError):
                time.sleep(0.05)
                continue
            assert answer.status_code in (201, 503), answer.text
            if answer.status_code == 201:
                done.append(reference)
                break
    return done


def shelves(pair: Samples) -> int:
    found: int = pair.value("orders", "SELECT sum(quantity) FROM stock")
    return found


def check(pair: Samples, acknowledged: list[str], before: int) -> None:
    """Each acknowledged order is there once, whole, taken from the shelves, and its mail was written once."""
    assert len(acknowledged) > 20
    new = f"FROM orders WHERE legacy_id >= {FIRST}"
    assert pair.value("orders", f"SELECT count(*) {new}") >= len(acknowledged)
    # Those that nobody heard of: at most one for each client, the one it was repeating at the end.
    assert pair.value("orders", f"SELECT count(*) {new}") <= len(acknowledged) + 8
    for reference in acknowledged:
        found = f"SELECT count(*) FROM orders WHERE client_reference = '{reference}'"
        assert pair.value("orders", found) == 1
    orders = pair.value("orders", f"SELECT count(*) {new}")
    belonging = f"WHERE legacy_order_id >= {FIRST}"
    assert pair.value("orders", f"SELECT count(*) FROM order_lines {belonging}") == 2 * orders
    assert pair.value("orders", f"SELECT count(*) FROM payments {belonging}") == orders
    assert before - shelves(pair) == 3 * orders
    assert pair.value("orders", "SELECT count(*) FROM answered") == orders
    assert pair.value("legacy", "SELECT count(*) FROM placed_elsewhere") == orders
    mails = "FROM email_log WHERE template = 'order' AND subject LIKE 'Your order 1______'"
    assert pair.value("legacy", f"SELECT count(*) {mails}") == orders
    assert pair.value("legacy", f"SELECT count(DISTINCT subject) {mails}") == orders


@pytest.mark.services
def test_a_database_that_was_restarted_costs_nobody_an_error(tmp_path: Path) -> None:
    with Postgres() as server:
        databases = Databases(f"sqlite:///{tmp_path}/shop.db", server.database())
        fill(databases)
        with samples(databases, tmp_path) as pair:
            token = pair.facade.token({"sub": "1"})

            def send(_: int) -> int:
                asked = {"method": "card", "items": [{"product_id": 1, "quantity": 1}]}
                headers = {HEADER: token, "X-Forwarded-For": "192.0.2.7"}
                url = f"{pair.orders_url}/api/orders"
                return httpx.post(url, json=asked, headers=headers, timeout=20, trust_env=False).status_code

            with ThreadPoolExecutor(8) as crowd:
                assert set(crowd.map(send, range(24))) == {201}
                server.kill9()
                assert send(0) == 503
                server.ensure_running()
                assert set(crowd.map(send, range(24))) == {201}
