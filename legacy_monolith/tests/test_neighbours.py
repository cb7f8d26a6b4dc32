"""What other programs of the house ask of the shop; it does not know who they are."""

import pytest
from sqlalchemy import text

from legacy_monolith.tests.conftest import SECRET

INSIDE = {"X-Internal-Secret": SECRET}


def rows(database, statement):
    found = [tuple(row) for row in database.execute(text(statement))]
    database.rollback()
    return found


def latest(database, table):
    return rows(database, f"SELECT coalesce(max(id), 0) FROM {table}")[0][0]


def test_stock_is_told_by_product_and_unknown_ones_are_left_out(browser):
    items = browser.get("/api/stock?ids=12,1,1,999999").json()["items"]
    assert [item["product_id"] for item in items] == [1, 12]
    assert items[0]["quantity"] > 0
    assert items[0]["restock_note"] is None
    assert items[1]["quantity"] == 0
    assert items[1]["restock_note"]


@pytest.mark.parametrize("ids", ["", "x", "1,", ",1", "-1", "1234567890", "١", ",".join(["1"] * 101)])
def test_a_question_that_names_no_products_is_refused(browser, ids):
    assert browser.get("/api/stock", params={"ids": ids}).status_code == 400


@pytest.mark.parametrize("headers", [{}, {"X-Internal-Secret": ""}, {"X-Internal-Secret": "guess"}])
def test_the_inside_does_not_exist_for_others(own_browser, headers):
    assert own_browser.get("/internal/customers/1", headers=headers).status_code == 404
    asked = own_browser.post("/internal/orders/placed", json={"orders": []}, headers=headers)
    assert asked.status_code == 404


def test_the_first_address_is_where_an_order_goes(own_browser):
    assert own_browser.get("/internal/customers/3", headers=INSIDE).json() == {"id": 3, "address_id": 3}
    nobody = own_browser.get("/internal/customers/99999999999", headers=INSIDE).json()
    assert nobody == {"id": 99999999999, "address_id": None}


def test_an_order_taken_elsewhere_is_noted_once(own_browser, database):
    item = own_browser.as_customer(7).put_into_cart(5, 2)
    cart, mails = latest(database, "carts"), latest(database, "email_log")
    used = rows(database, "SELECT used FROM coupons WHERE code = 'VIP20'")[0][0]
    order = {"order_id": 900001, "customer_id": 7, "coupon": "VIP20", "cart_id": cart, "items": [[item, 2]]}
    for done in (1, 0):
        own_browser.put_into_cart(6, 3)
        answer = own_browser.post("/internal/orders/placed", json={"orders": [order]}, headers=INSIDE)
        assert answer.json() == {"done": done}
    assert rows(database, f"SELECT product_id, quantity FROM cart_items WHERE cart_id = {cart}") == [(6, 6)]
    assert rows(database, f"SELECT subject FROM email_log WHERE id > {mails}") == [("Your order 900001",)]
    assert rows(database, "SELECT used FROM coupons WHERE code = 'VIP20'") == [(used + 1,)]


def test_what_was_put_in_since_the_order_stays_in_the_cart(own_browser, database):
    item = own_browser.as_customer(8).put_into_cart(5, 2)
    own_browser.put_into_cart(5, 1)
    cart = latest(database, "carts")
    order = {"order_id": 900002, "customer_id": 8, "coupon": None, "cart_id": cart, "items": [[item, 2]]}
    own_browser.post("/internal/orders/placed", json={"orders": [order]}, headers=INSIDE)
    assert rows(database, f"SELECT product_id, quantity FROM cart_items WHERE cart_id = {cart}") == [(5, 1)]


def test_the_next_page_says_once_what_it_was_told_to_say(own_browser):
    told = {"orders": [], "say": "Thank you for your order."}
    own_browser.as_customer(7).post("/internal/orders/placed", json=told, headers=INSIDE)
    assert "Thank you for your order." in own_browser.get("/account").text
    assert "Thank you for your order." not in own_browser.get("/account").text


def test_a_quick_order_leaves_the_cart_alone(customer):
    customer.put_into_cart(1, 1)
    wanted = [{"product_id": 6, "quantity": 2}, {"product_id": 5, "quantity": 1}]
    asked = {"method": "invoice", "items": wanted, "client_reference": "telephone-1"}
    placed = customer.post("/api/orders", json=asked)
    assert placed.status_code == 201
    assert [(line["product_id"], line["quantity"]) for line in placed.json()["lines"]] == [(5, 1), (6, 2)]
    assert placed.json()["client_reference"] == "telephone-1"
    assert customer.get(placed.headers["location"]).json() == placed.json()
    assert [item["product_id"] for item in customer.get("/api/cart").json()["items"]] == [1]
    again = customer.post("/api/orders", json=asked)
    assert (again.status_code, again.json()["message"]) == (
        409,
        "There is an order with this reference already.",
    )


def test_an_order_without_a_reference_does_not_mention_it(customer):
    assert "client_reference" not in customer.order()


@pytest.mark.parametrize(
    ("items", "status", "says"),
    [
        ([], 400, "send items"),
        ("1", 400, "send items"),
        (None, 400, "send items"),
        ([1], 400, "send items"),
        ([{"product_id": "1", "quantity": 1}], 400, "send items"),
        ([{"product_id": 1, "quantity": True}], 400, "send items"),
        ([{"product_id": 1, "quantity": 1}] * 2, 400, "each product once"),
        ([{"product_id": 1, "quantity": 1}] * 51, 400, "send items"),
        ([{"product_id": 1, "quantity": 0}], 409, "The quantity must be from 1 to 99."),
        ([{"product_id": 1, "quantity": 100}], 409, "The quantity must be from 1 to 99."),
        ([{"product_id": 0, "quantity": 1}], 409, "There is no such product."),
        ([{"product_id": 10**30, "quantity": 1}], 409, "There is no such product."),
        ([{"product_id": 12, "quantity": 1}], 409, "Something in your cart has just been sold out."),
        ([{"product_id": 1, "quantity": 1}, {"product_id": 12, "quantity": 1}], 409, "sold out"),
    ],
)
def test_a_quick_order_that_cannot_be_taken_is_refused(customer, items, status, says):
    answer = customer.post("/api/orders", json={"method": "card", "items": items})
    assert answer.status_code == status
    assert says in answer.json()["message"]
