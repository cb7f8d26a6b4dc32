"""Where the monolith cannot be asked, its cookie is read: who is known, who is not, and until when."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from tests.integration.facade_bench import until
from tests.integration.identity_world import READS, World, world

pytestmark = pytest.mark.slow
MONTH = 31 * 24 * 3600


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world"), READS) as found:
        yield found


def flask_cookie(session: dict[str, Any], age: float = 0, secret: str = "change-me") -> str:
    """What Flask wrote so many seconds ago."""
    app = Flask("shop")
    app.secret_key = secret
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None

    class Then(serializer.signer):  # type: ignore[misc,name-defined]
        def get_timestamp(self) -> int:
            return int(time.time() - age)

    serializer.signer = Then
    return str(serializer.dumps(session))


def subject(shop: World, cookie: str) -> Any:
    headers = {"X-Key": "k", "Cookie": f"shop_session={cookie}"}
    return httpx.get(f"{shop.url}/api/orders/mine", headers=headers).json()["sub"]


def test_a_customer_is_known_while_the_monolith_is_down(shop: World) -> None:
    with shop.browser(3) as browser:
        csrf = browser.token()
        browser.put_into_cart()
        shop.shop.kill()
        try:
            found = browser.get("/api/orders/mine", headers={"X-Key": "k"}).json()
        finally:
            shop.shop.start()
        assert (found["sub"], found["csrf"], found["roles"]) == ("3", csrf, [])
        assert type(found["cart"]) is int


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        (flask_cookie({"customer_id": 3}), "3"),
        (flask_cookie({"customer_id": 3, "_flashes": [["info", "x" * 3000]]}), "3"),
        (flask_cookie({"customer_id": 3}, age=MONTH - 60), "3"),
        (flask_cookie({"customer_id": 3}, age=MONTH + 60), None),
        (flask_cookie({"customer_id": 3}, age=-3600), None),
        (flask_cookie({"customer_id": 3}, secret="another"), None),
        (flask_cookie({"user": 3}), None),
        (flask_cookie({"customer_id": None}), None),
        ("nonsense", None),
    ],
    ids=[
        "fresh",
        "compressed",
        "a month",
        "stale",
        "of tomorrow",
        "another secret",
        "other",
        "none",
        "nonsense",
    ],
)
def test_what_counts_is_what_flask_takes(shop: World, cookie: str, expected: str | None) -> None:
    assert subject(shop, cookie) == expected


def test_a_session_of_another_kind_is_an_outage_and_no_guest(shop: World) -> None:
    headers = {"X-Key": "k", "Cookie": f"shop_session={flask_cookie({'customer_id': [3]})}"}
    answer = httpx.get(f"{shop.url}/api/orders/mine", headers=headers)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


def test_no_path_of_the_monolith_is_hidden(shop: World) -> None:
    answer = httpx.get(f"{shop.url}/internal/whoami")
    assert (answer.status_code, "X-Build" in answer.headers) == (404, True), "it is the shop's own 404"


def test_the_table_can_be_taken_out_and_put_back_while_it_serves(shop: World) -> None:
    path = shop.front.directory / "plan.toml"
    plan = path.read_text("utf-8")
    start = plan.index("[identity]")
    cookie = flask_cookie({"customer_id": 3})
    path.write_text(plan[:start] + plan[plan.index("[slices.orders]") :], "utf-8")
    try:
        until(lambda: subject(shop, cookie) is None, "the plan to be taken", 5)
        assert shop.front.admin("/jwks.json")[0] == 404
    finally:
        path.write_text(plan, "utf-8")
    until(lambda: subject(shop, cookie) == "3", "the plan to be taken", 5)
    assert shop.front.admin("/jwks.json")[0] == 200
