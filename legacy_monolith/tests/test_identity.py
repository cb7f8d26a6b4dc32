"""What the facade in front is told of a session, and that nobody else is told anything."""

import pytest

from legacy_monolith.tests.browser import Browser
from legacy_monolith.tests.conftest import running_shop

WORD = "of the facade"
FACADE = {"X-Strangler-Secret": WORD}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    with running_shop(folder, f"sqlite:///{folder / 'shop.db'}", SHOP_WHOAMI_SECRET=WORD) as shop:
        yield shop


@pytest.fixture
def visitor(shop):
    with Browser(shop.url) as browser:
        yield browser


def whoami(browser):
    answer = browser.get("/internal/whoami", headers=FACADE)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    return answer.json()


def test_a_visitor_without_a_cookie_is_nobody(visitor):
    assert whoami(visitor) == {"sub": None, "roles": [], "csrf": None, "cart": None}


def test_a_guest_has_a_cart_and_a_form_token(visitor):
    token = visitor.token()
    visitor.put_into_cart()
    said = whoami(visitor)
    assert (said["sub"], said["roles"], said["csrf"]) == (None, [], token)
    assert type(said["cart"]) is int


def test_a_customer_is_known_until_the_logout(visitor):
    visitor.as_customer(3)
    assert whoami(visitor) == {"sub": "3", "roles": [], "csrf": None, "cart": None}
    visitor.post("/api/logout")
    assert whoami(visitor)["sub"] is None


def test_an_admin_has_a_role(visitor):
    visitor.as_admin()
    assert whoami(visitor)["roles"] == ["admin"]


@pytest.mark.parametrize("cookie", ["x", "e30.x.y", "eyJjdXN0b21lcl9pZCI6M30.aQ.AAAAAAAAAAAAAAAAAAAAAAAAAAA"])
def test_a_forged_cookie_is_nobodys(visitor, cookie):
    visitor.cookies.set("shop_session", cookie)
    assert whoami(visitor)["sub"] is None


@pytest.mark.parametrize("headers", [{}, {"X-Strangler-Secret": ""}, {"X-Strangler-Secret": WORD.upper()}])
def test_for_others_there_is_no_such_page(visitor, headers):
    there, nowhere = (
        visitor.get(path, headers=headers) for path in ("/internal/whoami", "/internal/nothing")
    )
    assert there.status_code == 404
    assert there.text == nowhere.text


def test_a_shop_without_the_secret_tells_nobody(own_browser):
    for secret in ("", "None"):
        answer = own_browser.get("/internal/whoami", headers={"X-Strangler-Secret": secret})
        assert answer.status_code == 404
