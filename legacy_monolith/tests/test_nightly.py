"""The nightly job, which knows the tables and nothing of the shop's rules."""

from sqlalchemy import text

from legacy_monolith.tests.conftest import run_shop


def rows(database, statement, **parameters):
    with database.begin():
        return database.execute(text(statement), parameters).fetchall()


def change(database, statement, **parameters):
    with database.begin():
        database.execute(text(statement), parameters)


def nightly(own_shop):
    done = run_shop("nightly", "--database", own_shop.database)
    assert (done.returncode, done.stderr) == (0, "")
    return {line.split(None, 1)[1]: int(line.split()[0]) for line in done.stdout.splitlines()}


def test_it_issues_the_invoices_of_what_is_paid(own_shop, own_browser, database):
    order = own_browser.as_customer(12).order()["id"]
    nightly(own_shop)
    assert len(rows(database, "SELECT * FROM invoices WHERE order_id = :o", o=order)) == 1
    assert own_browser.get(f"/account/orders/{order}/invoice.txt").status_code == 200
    assert nightly(own_shop)["invoices issued"] == 0


def test_it_cancels_past_every_rule_nothing_goes_back_to_the_shelf_and_nobody_is_told(
    own_shop, own_browser, database
):
    order = own_browser.as_customer(13).order(7, 2, method="invoice")["id"]
    change(database, "UPDATE orders SET placed_at = '2020-01-01 12:00:00' WHERE id = :o", o=order)
    stock = rows(database, "SELECT quantity FROM stock WHERE product_id = 7")
    mails = rows(database, "SELECT count(*) FROM email_log")
    assert nightly(own_shop)["unpaid orders cancelled"] >= 1
    assert rows(database, "SELECT status FROM orders WHERE id = :o", o=order)[0][0] == "cancelled"
    assert rows(database, "SELECT quantity FROM stock WHERE product_id = 7") == stock
    assert rows(database, "SELECT count(*) FROM email_log") == mails
    audit = "SELECT new FROM audit_log WHERE tbl = 'orders' AND row_id = :o"
    assert [row[0] for row in rows(database, audit, o=order)] == ["cancelled"]


def test_it_throws_old_carts_and_old_views_away(own_shop, own_browser, database):
    own_browser.put_into_cart()
    change(database, "UPDATE carts SET updated_at = '2020-01-01 12:00:00'")
    change(database, "UPDATE page_views SET viewed_at = '2020-01-01 12:00:00' WHERE id = 1")
    change(database, "UPDATE coupons SET expires_at = '2020-01-01 12:00:00' WHERE code = 'SPRING5'")
    done = nightly(own_shop)
    assert rows(database, "SELECT count(*) FROM carts")[0][0] == 0
    assert done["old page views deleted"] == 1
    assert done["coupons expired"] == 1
    assert own_browser.get("/api/cart").json()["items"] == []
