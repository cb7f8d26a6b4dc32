"""The sample's real order service knows who is logged in, and the monolith's forms and messages go on."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from legacy_monolith.tests.browser import Browser
from migration.core.stages import ReadStage
from tests.integration.facade_bench import until
from tests.integration.facade_process import ROOT, free_port
from tests.integration.identity_world import ASKS, WORD, Shop, start_world_facade

pytestmark = pytest.mark.slow
KEY = {"X-Key": "k"}


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The facade's URL; behind it the shop, and the order service with tables of its own, empty ones."""
    folder = tmp_path_factory.mktemp("world")
    shop, port, ports = Shop(folder), free_port(), (free_port(), free_port())
    program, database = [sys.executable, "-m", "extracted.orders"], f"sqlite:///{folder}/orders.db"
    url, facade_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{ports[0]}"
    env = {
        **os.environ, "ORDERS_LEGACY_URL": shop.url, "ORDERS_CATALOG_URL": facade_url,
        "ORDERS_IDENTITY_KEYS": f"http://127.0.0.1:{ports[1]}/jwks.json",
    }  # fmt: skip
    create = [*program, "create-schema", "--database", database]
    subprocess.run(create, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    with contextlib.ExitStack() as stack:
        stack.callback(shop.kill)
        shop.start()
        run = [*program, "run", "--port", str(port), "--database", database]
        orders = stack.enter_context(subprocess.Popen(run, cwd=ROOT, env=env, stdout=subprocess.DEVNULL))
        stack.callback(orders.terminate)
        running = start_world_facade(folder, shop.url, url, url, ASKS, ports)
        stack.enter_context(running.process)
        stack.callback(running.process.kill)
        until(lambda: _is_ready(url), "the order service to be ready")
        for route in ("list", "checkout"):
            running.serves(f"orders.{route}", ReadStage.RETIRED, 100)
        yield facade_url
        assert '"event": "defect"' not in running.log(), running.log()


def _is_ready(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/readyz").status_code == 200
    return False


def test_a_customer_is_known_to_the_order_service_and_a_guest_is_asked_to_log_in(front: str) -> None:
    with Browser(front) as browser:
        guest = browser.get("/api/orders", headers=KEY)
        assert (guest.status_code, guest.headers["X-Build"]) == (401, "orders-1")
        browser.as_customer(3)
        found = browser.get("/api/orders", headers=KEY)
        assert (found.status_code, found.headers["X-Build"], found.json()) == (200, "orders-1", {"items": []})
        browser.post("/api/logout", headers=KEY)
        assert browser.get("/api/orders", headers=KEY).status_code == 401


def test_a_stranger_with_a_header_of_his_own_is_a_guest(front: str) -> None:
    for name in ("X-Strangler-Identity", "X_Strangler_Identity"):
        answer = httpx.get(f"{front}/api/orders", headers={**KEY, name: "a.b.c"})
        assert answer.status_code == 401
        assert answer.json()["message"] == "log in first: POST /api/login"


def test_the_form_that_a_service_shows_carries_the_sessions_token(front: str) -> None:
    """The page is the monolith's, made for this caller: the token in it is new to the session."""
    with Browser(front) as browser:
        browser.as_customer(4).put_into_cart()
        page = browser.get("/checkout", headers=KEY)
        assert (page.status_code, page.headers["X-Build"]) == (200, "orders-1")
        token = re.findall(r'name="csrf_token" value="([0-9a-f]+)"', page.text)[0]
        sent = browser.post("/cart/coupon", data={"code": "no such", "csrf_token": token}, headers=KEY)
        assert sent.status_code == 409, "the monolith takes the form's token for its own"
        forged = browser.post("/cart/coupon", data={"code": "no such", "csrf_token": "0" * 32}, headers=KEY)
        assert forged.status_code == 400


def test_without_our_word_the_monolith_tells_nobody(front: str) -> None:
    assert httpx.get(f"{front}/internal/whoami", headers={"X-Strangler-Secret": WORD}).status_code == 404
