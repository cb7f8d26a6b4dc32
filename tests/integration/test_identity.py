"""A customer logged in to the monolith is known to the services without noticing, and nobody else is."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import jwt
import pytest

from extracted.identity import HEADER
from tests.integration.facade_bench import ask, until
from tests.integration.identity_world import ASKS, WORD, World, world

pytestmark = pytest.mark.slow
MINE = "/api/orders/mine"
KEY = {"X-Key": "k"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world"), ASKS) as found:
        yield found


def told(browser: httpx.Client, path: str = MINE, status: int = 200, **headers: str) -> dict[str, Any]:
    """What the service answers in this browser."""
    answer = browser.get(path, headers={**KEY, **headers})
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def cookie_of(browser: httpx.Client) -> str:
    return str(browser.cookies["shop_session"])


def test_a_customer_is_known_without_noticing(shop: World) -> None:
    with shop.browser(3) as browser:
        csrf = browser.token()
        browser.put_into_cart()
        found = told(browser)
        assert (found["by"], found["sub"], found["roles"], found["csrf"]) == ("orders", "3", [], csrf)
        assert type(found["cart"]) is int
        assert told(browser, "/api/carts/mine")["sub"] == "3"
        assert browser.get("/api/cart").json()["items"], "and the monolith knows the same cart"
    with shop.browser() as admin:
        assert told(admin.as_admin())["roles"] == ["admin"]


def test_a_guest_is_a_guest_with_a_cart_or_without(shop: World) -> None:
    with shop.browser() as browser:
        asked = shop.asked()
        assert told(browser) == {
            "by": "orders", "tokens": [], "sub": None, "roles": [], "csrf": None, "cart": None,
        }  # fmt: skip
        assert shop.asked() == asked, "no cookie, no question"
        browser.put_into_cart()
        found = told(browser)
        assert found["sub"] is None
        assert type(found["cart"]) is int


def test_a_logout_ends_it_at_once_in_the_browser(shop: World) -> None:
    with shop.browser(4) as browser:
        assert told(browser)["sub"] == "4"
        browser.post("/api/logout", headers=KEY)
        assert told(browser)["sub"] is None


def test_who_is_a_customer_no_more_is_known_no_longer_than_the_cache(shop: World) -> None:
    with shop.browser() as browser:
        form = {"email": "gone@example.test", "name": "Gone", "password": "secret0"}
        assert browser.submit("/register", form).status_code == 302
        number = told(browser)["sub"]
        with sqlite3.connect(shop.shop.database, timeout=10) as database:
            database.execute("DELETE FROM customers WHERE id = ?", (number,))
        database.close()
        gone = time.monotonic()
        until(lambda: told(browser)["sub"] is None, "the facade to hear of it")
        assert time.monotonic() - gone < 1.5, "the cache keeps it for a second"


def test_a_change_of_the_shops_secret_ends_all_logins(shop: World) -> None:
    with shop.browser(5) as browser:
        assert told(browser)["sub"] == "5"
        shop.shop.kill()
        shop.shop.start(SHOP_SECRET="another")
        try:
            until(lambda: told(browser)["sub"] is None, "the old login to end", 3)
        finally:
            shop.shop.kill()
            shop.shop.start()


@pytest.mark.parametrize(
    "cookie",
    [
        "nonsense", "eyJjdXN0b21lcl9pZCI6M30", "a.b.c", '"quoted"',
        "eyJjdXN0b21lcl9pZCI6M30.aQ.AAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ".eJyrVkouLS7Jz02Nz0xRsjLWUUouS81LSVWyMtVRSk4sKgGK5aYWlyQWpSoZ1QIA3GUPHg.aQ.AAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ],
)  # fmt: skip
def test_a_forged_cookie_is_a_guests(shop: World, cookie: str) -> None:
    with httpx.Client(base_url=shop.url) as client:
        found = told(client, Cookie=f"shop_session={cookie}")
    assert (found["sub"], found["tokens"]) == (None, [])


def test_a_cookie_of_another_customer_is_not_mixed_up(shop: World) -> None:
    with shop.browser(6) as six, shop.browser(7) as seven:
        for _ in range(20):
            assert (told(six)["sub"], told(seven)["sub"]) == ("6", "7")


def test_a_token_from_outside_counts_nothing(shop: World) -> None:
    with shop.browser(6) as victim, shop.browser() as thief, shop.browser(7) as other:
        (token,) = told(victim)["tokens"]
        for name in (HEADER, HEADER.lower(), HEADER.replace("-", "_"), "X-Strangler_Identity"):
            assert told(thief, **{name: token})["sub"] is None, name
            assert told(other, **{name: token})["sub"] == "7", name
        refused = thief.get(MINE, headers={**KEY, HEADER: token, "Connection": HEADER})
        assert refused.status_code == 400


def test_a_token_for_one_service_is_worth_nothing_at_another_or_later(shop: World) -> None:
    with shop.browser(6) as browser:
        (token,) = told(browser)["tokens"]
    own = {HEADER: token}
    assert httpx.get(shop.orders.url, headers=own).json()["sub"] == "6", (
        "which is why services are not public"
    )
    assert httpx.get(shop.carts.url, headers=own).status_code == 401
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 30
    assert claims["aud"] == "orders"
    assert claims["epoch"] == 0


def test_the_page_that_tells_is_not_there_for_outsiders(shop: World) -> None:
    with shop.browser(6) as browser:
        secret = {"X-Strangler-Secret": WORD}
        for path in ("/internal/whoami", "//internal//whoami", "/internal/%77hoami", "/internal/whoami/"):
            answer = ask(shop.front.port, "GET", path, f"X-Strangler-Secret: {WORD}")
            assert (answer.status, json.loads(answer.body)["detail"]) == (404, "There is nothing here."), path
        direct = httpx.get(f"{shop.shop.url}/internal/whoami", headers=secret, cookies=dict(browser.cookies))
        assert direct.json()["sub"] == "6"
        assert httpx.get(f"{shop.shop.url}/internal/whoami").status_code == 404


def test_200_requests_at_once_with_one_cookie_ask_once(shop: World) -> None:
    with shop.browser(8) as browser:
        cookie = cookie_of(browser)
    asked = shop.asked()

    async def ask_at_once() -> list[str]:
        connector = aiohttp.TCPConnector(limit=200)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def one() -> str:
                headers = {**KEY, "Cookie": f"shop_session={cookie}"}
                async with session.get(shop.url + MINE, headers=headers) as answer:
                    assert answer.status == 200, await answer.text()
                    return str((await answer.json(content_type=None))["sub"])

            return await asyncio.gather(*(one() for _ in range(200)))

    started = time.monotonic()
    assert asyncio.run(ask_at_once()) == ["8"] * 200
    took = time.monotonic() - started
    assert shop.asked() - asked <= 1 + took // 1.0, "one for each second that the cache keeps it"


def test_a_service_cannot_write_the_session_cookie(shop: World) -> None:
    shop.orders.headers = [
        ("Set-Cookie", "shop_session=stolen; Path=/"), ("Set-Cookie", "theme=dark"), (HEADER, "a.b.c"),
    ]  # fmt: skip
    try:
        with shop.browser(6) as browser:
            counted = shop.front.metric("strangler_session_writes_total")
            before = cookie_of(browser)
            answer = browser.get(MINE, headers=KEY)
            assert answer.headers.get_list("Set-Cookie") == ["theme=dark"]
            assert HEADER not in answer.headers
            assert cookie_of(browser) == before
            assert shop.front.metric("strangler_session_writes_total") == counted + 1
    finally:
        shop.orders.headers = []


def test_what_the_monolith_wrote_for_a_customer_passes_through_a_service(shop: World) -> None:
    """A service asks the monolith on behalf of its caller: flash messages and form tokens come back so."""
    with shop.browser(6) as browser, shop.browser(7) as other:
        with httpx.Client(base_url=shop.shop.url, cookies=dict(browser.cookies)) as service:
            (written,) = service.get("/login").headers.get_list("Set-Cookie")  # a form token is new to it
        theirs = f"shop_session={cookie_of(other)}; Path=/"
        counted = shop.front.metric("strangler_session_writes_total")
        try:
            for field, passes in ((written, True), (theirs, False), ("shop_session=; Max-Age=0", False)):
                shop.orders.headers = [("Set-Cookie", field)]
                answer = browser.get(MINE, headers=KEY)
                assert answer.headers.get_list("Set-Cookie") == ([field] if passes else []), field
        finally:
            shop.orders.headers = []
        assert shop.front.metric("strangler_session_writes_total") == counted + 2
        assert told(browser)["csrf"] is not None
        assert told(browser)["sub"] == "6"


def test_the_public_key_is_on_the_admin_port_and_in_a_file_and_the_private_one_is_the_owners(
    shop: World,
) -> None:
    state = shop.front.directory / ".strangler"
    status, text = shop.front.admin("/jwks.json")
    (key,) = json.loads(text)["keys"]
    assert (status, key["kty"], key["alg"]) == (200, "OKP", "EdDSA")
    assert "d" not in key
    assert (state / "identity-jwks.json").read_text() == text
    assert (state / "identity-key").stat().st_mode & 0o777 == 0o600
    outside = httpx.get(f"{shop.url}/jwks.json")
    assert (outside.status_code, "Ed25519" in outside.text) == (404, False)


def test_the_key_is_replaced_while_all_are_served(shop: World) -> None:
    state = shop.front.directory / ".strangler"
    with shop.browser(3) as browser:
        before = jwt.get_unverified_header(told(browser)["tokens"][0])["kid"]
        (state / "identity-key").rename(state / "identity-key.old")
        shop.front.process.send_signal(signal.SIGUSR1)

        def replaced() -> bool:
            return bool(jwt.get_unverified_header(told(browser)["tokens"][0])["kid"] != before)

        until(replaced, "a token of the new key, and no refusal before it", 10)
    kids = {key["kid"] for key in json.loads(shop.front.admin("/jwks.json")[1])["keys"]}
    assert before in kids
    assert len(kids) == 2
    (state / "identity-key.old").unlink()


def test_when_the_monolith_is_away_nobody_is_taken_for_a_guest(shop: World) -> None:
    with shop.browser(3) as browser, shop.browser() as guest:
        assert told(browser)["sub"] == "3"
        shop.shop.kill()
        try:
            until(lambda: browser.get(MINE, headers=KEY).status_code == 503, "the cache to end", 3)
            for path in (MINE, "/api/carts/mine", "/api/me"):
                answer = browser.get(path, headers=KEY)
                assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
                assert answer.json()["type"] == "urn:strangler:problem:identity_unavailable"
            assert told(guest)["sub"] is None, "who shows no cookie needs no answer"
        finally:
            shop.shop.start()
        assert told(browser)["sub"] == "3"
        assert shop.front.metric('strangler_introspections_total{outcome="failed"}') >= 3


@pytest.mark.alone
def test_when_the_monolith_is_slow_the_others_do_not_wait(shop: World) -> None:
    with shop.browser(3) as browser, shop.browser() as guest:
        time.sleep(1.1)  # whatever was known of this customer
        shop.shop.signal(signal.SIGSTOP)
        try:
            started = time.monotonic()
            assert browser.get(MINE, headers=KEY).status_code == 503
            assert 0.4 < time.monotonic() - started < 2.0
            started = time.monotonic()
            assert told(guest)["sub"] is None
            assert time.monotonic() - started < 0.4
        finally:
            shop.shop.signal(signal.SIGCONT)
        until(lambda: browser.get(MINE, headers=KEY).status_code == 200, "the shop to be back", 5)


def test_a_wrong_word_is_an_outage_that_says_so(shop: World, tmp_path: Path) -> None:
    plan = (shop.front.directory / "plan.toml").read_text()
    (shop.front.directory / "plan.toml").write_text(plan.replace("env:WHOAMI", "env:PATH"))
    with shop.browser(3) as browser:
        try:
            until(lambda: browser.get(MINE, headers=KEY).status_code == 503, "the plan to be taken", 5)
            assert "is its secret the facade's?" in shop.front.log()
        finally:
            (shop.front.directory / "plan.toml").write_text(plan)
        until(lambda: browser.get(MINE, headers=KEY).status_code == 200, "the plan to be taken", 5)
        assert told(browser)["sub"] == "3"
