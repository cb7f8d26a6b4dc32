"""What a proxy in front must leave alone: streams, compression, conditions, uploads, redirects."""

import csv
import gzip
import io
import json

import pytest

from legacy_monolith.tests.browser import PNG


def test_the_export_of_100000_rows_is_streamed(admin):
    with admin.stream("GET", "/admin/export/labels.csv") as answer:
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.headers["content-disposition"] == 'attachment; filename="labels.csv"'
        assert "content-length" not in answer.headers
        rows = list(csv.reader(answer.iter_lines()))
    assert rows[0] == ["label", "sku", "name", "price", "copy"]
    assert len(rows) == 100_001
    assert rows[-1][0] == "100000"


def test_an_export_that_nobody_reads_to_its_end_holds_no_lock(admin, browser):
    with admin.stream("GET", "/admin/export/labels.csv?rows=1000000") as answer:
        unread = answer.iter_raw()  # without the name it would be collected, and the connection closed
        next(unread)
        # Long enough for the buffers between here and there to fill, so that the export stands still.
        for _ in range(80):
            assert browser.put_into_cart()
    assert browser.get("/healthz").status_code == 200


def raw(browser, path, **headers):
    """The answer with its body as it came over the wire."""
    with browser.stream("GET", path, headers=headers) as answer:
        return answer, b"".join(answer.iter_raw())


COMPRESSED = ["/sitemap.xml", "/c/{shelf}", "/api/orders"]


@pytest.mark.parametrize("path", COMPRESSED)
def test_some_answers_are_compressed_when_the_client_can_read_it(customer, path):
    shelf = customer.get("/api/categories").json()["items"][0]["slug"]
    path = path.format(shelf=shelf)
    answer, body = raw(customer, path, **{"Accept-Encoding": "gzip"})
    plain, plain_body = raw(customer, path, **{"Accept-Encoding": "identity"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(body) == plain_body
    assert "Accept-Encoding" in answer.headers["vary"]


def test_a_page_that_has_not_changed_is_not_sent_again(browser):
    shelf = browser.get("/api/categories").json()["items"][0]["slug"]
    first = browser.get(f"/c/{shelf}")
    again = browser.get(f"/c/{shelf}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = browser.get(f"/c/{shelf}", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


def test_a_picture_comes_back_byte_for_byte_and_conditionally(admin):
    made = admin.submit("/admin/products/new", {"name": "Bild", "price": "1", "category_id": "1"})
    page = made.headers["location"]
    assert admin.submit(f"{page}/image", files={"image": ("a.png", PNG)}).status_code == 302
    path = admin.get(page).text.split('href="/media/')[1].split('"')[0]
    answer = admin.get(f"/media/{path}")
    assert (answer.content, answer.headers["content-type"]) == (PNG, "image/png")
    assert "max-age=3600" in answer.headers["cache-control"]
    unchanged = admin.get(f"/media/{path}", headers={"If-None-Match": answer.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    part = admin.get(f"/media/{path}", headers={"Range": "bytes=0-7"})
    assert (part.status_code, part.content) == (206, PNG[:8])


@pytest.mark.parametrize("name", ["..%2f..%2fetc%2fpasswd", "../../etc/passwd", "%2e%2e/shop.db", "x%00.png"])
def test_no_name_leads_out_of_the_picture_folder(browser, name):
    assert browser.get(f"/media/{name}").status_code in (400, 404)


def test_the_address_of_the_shop_before_leads_to_a_name_with_letters_of_any_alphabet(browser):
    products = browser.get("/api/products?per_page=48").json()["items"]
    product = next(product for product in products if not product["slug"].isascii())
    moved = browser.get(f"/product.php?id={product['id']}")
    assert moved.status_code == 301
    assert moved.headers["location"].isascii()
    assert product["name"] in browser.get(moved.headers["location"]).text


# what is asked for, the client's wish, the type it gets
NOT_FOUND = [
    ("/nothing", "text/html,application/xhtml+xml", "text/html; charset=utf-8"),
    ("/nothing", "application/json", "application/json"),
    ("/nothing", "*/*", "text/html; charset=utf-8"),
    ("/p/nothing", "application/json, text/html;q=0.5", "application/json"),
    ("/api/nothing", "text/html", "application/json"),
    ("/api/products/999999999", "text/html", "application/json"),
]


@pytest.mark.parametrize(("path", "accept", "kind"), NOT_FOUND)
def test_not_found_is_said_in_the_language_of_the_client(browser, path, accept, kind):
    answer = browser.get(path, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (404, kind)


def test_head_answers_without_a_body(browser):
    answer = browser.head("/api/products/1")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 100


def test_a_form_without_its_token_is_refused_and_a_message_is_shown_once(customer):
    assert customer.post("/cart/add", data={"product_id": "1"}).status_code == 400
    customer.submit("/cart/add", {"product_id": "1", "quantity": "1"})
    assert "It is in your cart." in customer.get("/cart").text
    assert "It is in your cart." not in customer.get("/cart").text


# method, path, what is sent, what must come back
NONSENSE = [
    ("GET", "/api/products?page=%D9%A1", None, 400),
    ("GET", "/api/products?per_page=101", None, 400),
    ("GET", "/api/products?sort=password", None, 400),
    ("GET", "/api/products?category=nirgends", None, 200),
    ("GET", "/api/products/99999999999999999999999", None, 404),
    ("GET", "/api/search?q=%00", None, {200, 400}),
    ("GET", "/api/search?q=%25", None, 200),
    ("GET", "/api/search?q=%FF%FE", None, 200),
    ("GET", "/p/%00", None, {400, 404}),
    ("GET", "/api/orders/99999999999999999999", None, 401),
    ("POST", "/api/login", b'{"email": "\\ud800", "password": "x"}', {400, 401}),
    ("POST", "/api/login", b'{"email": "a\\u0000b", "password": "x"}', {400, 401}),
    ("POST", "/api/login", b"[" * 100_000, 401),
    ("POST", "/api/cart/items", b'{"product_id": 1e400}', 400),
    ("POST", "/api/cart/items", b'{"product_id": 123456789012345678901234567890}', 409),
    ("POST", "/api/cart/items", b'{"product_id": 1, "quantity": -1}', 409),
    ("POST", "/api/coupons/apply", b'{"code": {"a": 1}}', 409),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), NONSENSE)
def test_nonsense_gets_a_clear_refusal(browser, method, path, body, status):
    answer = browser.request(method, path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (status if isinstance(status, set) else {status}), answer.text
    assert "Traceback" not in answer.text
    if answer.status_code >= 400 and path.startswith("/api/"):
        assert set(json.loads(answer.text)) == {"error", "message"}


def test_an_upload_of_more_than_eight_megabytes_is_refused(admin):
    token = admin.token()
    files = {"image": ("a.png", io.BytesIO(b"\0" * (8 * 1024 * 1024 + 1)))}
    answer = admin.post("/admin/products/1/image", data={"csrf_token": token}, files=files)
    assert answer.status_code == 413
