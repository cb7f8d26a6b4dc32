"""What is wrong with this shop. Each test holds one line of the README's list."""

import re
from datetime import datetime

import pytest
from sqlalchemy import text

from legacy_monolith.tests.browser import Browser


def value(database, statement, **parameters):
    """The one value that the statement gives, in a transaction of its own."""
    with database.begin():
        return database.execute(text(statement), parameters).scalar()


def count(database, table):
    return value(database, f"SELECT count(*) FROM {table}")


@pytest.fixture
def own_admin(own_browser):
    return own_browser.as_admin()


@pytest.mark.parametrize("path", ["/", "/api/products/1", "/api/nothing"])
def test_a_get_writes(own_browser, database, path):
    before = count(database, "page_views")
    own_browser.get(path)
    assert count(database, "page_views") == before + 1


def test_money_is_a_float_and_sums_are_not_rounded(own_browser):
    wrong = []
    own_browser.as_customer(7)
    for product in own_browser.get("/api/products?per_page=48").json()["items"]:
        sum_in_floats = product["price"] * 3
        if product["in_stock"] and sum_in_floats != round(sum_in_floats, 2) and sum_in_floats >= 50:
            wrong.append(product["id"])
    order = own_browser.order(wrong[0], 3)
    assert order["total"] != round(order["total"], 2)


def test_times_are_local_and_do_not_say_so(own_browser):
    placed = own_browser.as_customer(7).order()["placed_at"]
    assert datetime.fromisoformat(placed).tzinfo is None
    berlin_minus_utc = datetime.fromisoformat(placed) - datetime.utcnow()
    assert 3500 < berlin_minus_utc.total_seconds() < 7300


def test_the_menu_is_kept_in_the_process_and_grows_stale(own_browser, own_admin):
    def counted():
        return own_browser.get("/api/categories").json()["items"][0]["product_count"]

    own_admin.submit("/admin/cache/clear")
    before = counted()
    own_admin.submit("/admin/products/new", {"name": "Neu", "price": "1", "category_id": "1"})
    assert counted() == before
    own_admin.submit("/admin/cache/clear")
    assert counted() == before + 1


def test_each_order_in_the_list_costs_more_queries(own_browser):
    def queries():
        return int(own_browser.get("/account/orders").headers["x-queries"])

    own_browser.as_customer(8).order(1)
    before = queries()
    for product in (2, 3, 4):
        own_browser.order(product)
    assert queries() >= before + 3


def test_one_order_touches_eight_tables(own_browser, database):
    own_browser.as_customer(9).put_into_cart(5, 2)
    own_browser.post("/api/coupons/apply", json={"code": "VIP20"})
    counted = ("orders", "order_lines", "payments", "email_log", "cart_items")
    before = {table: count(database, table) for table in counted}
    stock = value(database, "SELECT quantity FROM stock WHERE product_id = 5")
    used = value(database, "SELECT used FROM coupons WHERE code = 'VIP20'")
    own_browser.post("/api/orders", json={"method": "card"})
    changed = {table: count(database, table) - before[table] for table in counted}
    assert changed == {"orders": 1, "order_lines": 1, "payments": 1, "email_log": 1, "cart_items": -1}
    assert value(database, "SELECT quantity FROM stock WHERE product_id = 5") == stock - 2
    assert value(database, "SELECT used FROM coupons WHERE code = 'VIP20'") == used + 1
    assert value(database, "SELECT coupon_code FROM carts ORDER BY id DESC LIMIT 1") is None


def unit_of_work(admin, product, order):
    admin.submit(f"/admin/products/{product}", {"price": "1234.56"})


def bulk_update(admin, product, order):
    admin.submit("/admin/prices", {"category_id": "3", "percent": "10"})


def raw_sql(admin, product, order):
    admin.submit(f"/admin/orders/{order}/status", {"status": "cancelled"})


AUDITED = [(unit_of_work, "products"), (bulk_update, "products"), (raw_sql, "orders")]


@pytest.mark.parametrize(("way", "table"), AUDITED)
def test_only_the_audit_trigger_sees_every_way_of_writing(own_admin, database, way, table):
    made = own_admin.submit("/admin/products/new", {"name": "Geprüft", "price": "10", "category_id": "3"})
    product = int(made.headers["location"].rsplit("/", 1)[1])
    order = own_admin.order()["id"]
    changes = {"products": 0, "orders": 0, table: 1}
    way(own_admin, product, order)
    rows = "SELECT count(*) FROM audit_log WHERE tbl = :t AND row_id = :id"
    assert value(database, rows, t="products", id=product) == changes["products"]
    assert value(database, rows, t="orders", id=order) == changes["orders"]


def test_stock_is_counted_by_an_upsert_that_makes_a_missing_row(own_admin, database):
    made = own_admin.submit("/admin/products/new", {"name": "Regal", "price": "10", "category_id": "4"})
    product = int(made.headers["location"].rsplit("/", 1)[1])
    with database.begin():
        database.execute(text("DELETE FROM stock WHERE product_id = :p"), {"p": product})
    own_admin.submit("/admin/stock", {"product_id": str(product), "quantity": "3"})
    assert value(database, "SELECT quantity FROM stock WHERE product_id = :p", p=product) == 3


def test_the_json_api_asks_for_no_form_token(own_browser):
    own_browser.as_customer(10)
    foreign = {"Origin": "https://elsewhere.test"}
    answer = own_browser.post("/api/cart/items", json={"product_id": 1}, headers=foreign)
    assert answer.status_code == 201


def test_passwords_are_one_round_of_sha256(database):
    stored = value(database, "SELECT password_hash FROM customers WHERE id = 1")
    assert re.fullmatch(r"[0-9a-f]{8}\$[0-9a-f]{64}", stored)


def test_the_secret_in_the_source_makes_anybody_an_admin(own_shop, database):
    admin = value(database, "SELECT id FROM customers WHERE email = 'admin@example.test'")
    with Browser(own_shop.url) as browser:
        browser.cookies.set("shop_session", forged({"customer_id": admin}))
        assert browser.get("/admin/").status_code == 200


def forged(content):
    """A session cookie as Flask signs it, with the secret that everybody can read."""
    from flask import Flask
    from flask.sessions import SecureCookieSessionInterface

    app = Flask("forger")
    app.secret_key = "change-me"
    return SecureCookieSessionInterface().get_signing_serializer(app).dumps(content)


def test_a_session_lives_on_after_logging_out(own_browser):
    own_browser.as_customer(11)
    stolen = own_browser.cookies["shop_session"]
    own_browser.submit("/logout")
    assert own_browser.get("/api/me").status_code == 401
    own_browser.cookies.clear()
    own_browser.cookies.set("shop_session", stolen)
    assert own_browser.get("/api/me").status_code == 200


def test_login_sends_people_anywhere(own_browser):
    form = {"email": "customer1@example.test", "password": "secret1"}
    answer = own_browser.submit("/login?next=https://elsewhere.test/", form)
    assert answer.headers["location"] == "https://elsewhere.test/"


def test_the_same_request_twice_counts_twice(own_browser):
    for _ in range(2):
        answer = own_browser.post(
            "/api/cart/items",
            json={"product_id": 2, "quantity": 1},
            headers={"Idempotency-Key": "the-same"},
        )
    assert answer.json()["items"][0]["quantity"] == 2


def test_a_name_changed_past_the_shop_is_found_under_the_old_one(own_admin, database):
    made = own_admin.submit("/admin/products/new", {"name": "Altname", "price": "1", "category_id": "2"})
    product = int(made.headers["location"].rsplit("/", 1)[1])
    with database.begin():
        database.execute(text("UPDATE products SET name = 'Neuname' WHERE id = :p"), {"p": product})
    found = own_admin.get("/api/search?q=altname&limit=100").json()["items"]
    assert [item["name"] for item in found if item["id"] == product] == ["Neuname"]
    assert own_admin.get("/api/search?q=neuname").json()["total"] == 0


def test_lists_live_in_text_columns(database):
    assert value(database, "SELECT attributes FROM products WHERE id = 1").startswith('[{"name": "weight_g"')
    assert isinstance(value(database, "SELECT tags FROM products WHERE id = 1"), str)


def test_digits_of_any_alphabet_name_a_product(own_browser):
    assert own_browser.get("/api/products/١").json()["id"] == 1


def test_a_cancelled_order_can_be_shipped(own_admin):
    order = own_admin.order()["id"]
    for status in ("cancelled", "shipped"):
        own_admin.submit(f"/admin/orders/{order}/status", {"status": status})
    assert own_admin.get(f"/api/orders/{order}").json()["status"] == "shipped"


def test_mail_is_logged_for_customers_who_do_not_exist(database):
    with database.begin():
        database.execute(
            text(
                "INSERT INTO email_log (customer_id, template, subject, sent_at) VALUES (:c, 't', 's', :at)"
            ),
            {"c": 999_999_999, "at": "2026-03-01 12:00:00"},
        )
    assert value(database, "SELECT count(*) FROM email_log WHERE customer_id = 999999999") == 1


def test_answers_tell_how_many_queries_they_took(own_browser):
    assert int(own_browser.get("/").headers["x-queries"]) > 1


def test_an_answer_depends_on_the_address_of_the_client(browser):
    """Whoever stands in front must pass the address on, and must not let the client choose it."""
    answer = browser.get("/api/whereami", headers={"X-Forwarded-For": "203.0.113.9"}).json()
    assert (answer["address"], answer["zone"]) == ("127.0.0.1", "de")
