"""Each route of the shop with one request that it serves and one that it refuses."""

from dataclasses import dataclass, field

from legacy_monolith.tests.browser import PNG


@dataclass(frozen=True)
class Ask:
    """A request and what it must get. In braces: what `World` knows. `to` is where a redirect leads."""

    path: str
    status: int
    who: str = "guest"
    form: dict | None = None
    json: dict | None = None
    picture: bytes | None = None
    to: str | None = None
    says: str = ""
    method: str | None = None
    headers: dict = field(default_factory=dict)


FOUR = {"email": "customer4@example.test", "password": "secret4"}
FIVE = {"email": "customer5@example.test", "password": "secret5"}
GOODS = {"name": "Neu {new}", "price": "2,5", "category_id": "1"}
COUPON = {"code": "{new}", "percent": "7", "expires_at": "2099-01-31"}
HOME = {"street": "Gässchen 1", "zip_code": "1", "city": "Ulm"}
NEW = {"email": "{new}@example.test", "name": "Ünal", "password": "geheim"}

# route, success, refusal. A page without a refusal of its own refuses the wrong method.
TABLE = [
    ("GET /", Ask("/", 200, says="What others took home"), Ask("/", 405, method="PUT")),
    ("GET /c/<slug>", Ask("/c/{shelf}", 200, says="page 1 of"), Ask("/c/nirgends", 404)),
    ("GET /p/<slug>", Ask("/p/{slug}", 200, says="SKU-000001"), Ask("/p/nichts", 404)),
    ("GET /product.php", Ask("/product.php?id=1", 301, to="/p/"), Ask("/product.php?id=x", 404)),
    ("GET /search", Ask("/search?q=e", 200, says="Found for"), Ask("/search", 400)),
    ("GET /sitemap.xml", Ask("/sitemap.xml", 200, says="<urlset"), Ask("/sitemap.xml", 405, method="DELETE")),
    ("GET /cart", Ask("/cart", 200, says="Your cart"), Ask("/cart", 405, method="PUT")),
    (
        "POST /cart/add",
        Ask("/cart/add", 302, "customer", form={"product_id": "1", "quantity": "2"}, to="/cart"),
        Ask("/cart/add", 409, "customer", form={"product_id": "12"}, says="sold out"),
    ),
    (
        "POST /cart/update",
        Ask("/cart/update", 302, "customer", form={"item_id": "{item}", "quantity": "3"}, to="/cart"),
        Ask("/cart/update", 404, "customer", form={"item_id": "999999999", "quantity": "3"}),
    ),
    (
        "POST /cart/coupon",
        Ask("/cart/coupon", 302, "customer", form={"code": "{coupon}"}, to="/cart"),
        Ask("/cart/coupon", 409, "customer", form={"code": "OLD15"}, says="not valid"),
    ),
    (
        "GET /checkout",
        Ask("/checkout?{item}", 200, "customer", says="obligation to pay"),
        Ask("/checkout", 302, to="/login"),
    ),
    (
        "POST /checkout",
        Ask("/checkout?{item}", 302, "customer", form={"method": "invoice"}, to="/account/orders/"),
        Ask("/checkout", 409, "customer", form={"method": "shells"}, says="Pay by"),
    ),
    ("GET /login", Ask("/login", 200, says="Password"), Ask("/login", 405, method="DELETE")),
    (
        "POST /login",
        Ask("/login", 302, "other", FOUR, to="/account"),
        Ask("/login", 401, form={"email": "customer4@example.test", "password": "no"}, says="Wrong email"),
    ),
    ("POST /logout", Ask("/logout", 302, "other", form={}, to="/"), Ask("/logout", 400, method="POST")),
    ("GET /register", Ask("/register", 200, says="Register"), Ask("/register", 405, method="PUT")),
    (
        "POST /register",
        Ask("/register", 302, "other", form=NEW, to="/account"),
        Ask("/register", 409, form={"email": "customer1@example.test", "name": "A", "password": "geheim"}),
    ),
    ("GET /account", Ask("/account", 200, "customer", says="Addresses"), Ask("/account", 302, to="/login")),
    (
        "POST /account/addresses",
        Ask("/account/addresses", 302, "customer", form=HOME, to="/account"),
        Ask("/account/addresses", 400, "customer", form={"street": "", "zip_code": "1", "city": "Ulm"}),
    ),
    (
        "GET /account/orders",
        Ask("/account/orders?{order}", 200, "customer", says="Your orders"),
        Ask("/account/orders", 302, to="/login"),
    ),
    (
        "GET /account/orders/<int:order_id>",
        Ask("/account/orders/{order}", 200, "customer", says="Total"),
        Ask("/account/orders/{stranger}", 404, "customer"),
    ),
    (
        "GET /account/orders/<int:order_id>/invoice.txt",
        Ask("/account/orders/{invoiced}/invoice.txt", 200, "customer", says="Invoice R-"),
        Ask("/account/orders/{order}/invoice.txt", 404, "customer"),
    ),
    ("GET /media/<name>", Ask("/media/{picture}", 200), Ask("/media/none.png", 404)),
    ("GET /static/<path:filename>", Ask("/static/shop.css", 200, says="--ink"), Ask("/static/no.css", 404)),
    (
        "GET /admin/",
        Ask("/admin/", 200, "admin", says="counter"),
        Ask("/admin/", 302, to="/login"),
    ),
    (
        "GET /admin/products",
        Ask("/admin/products", 200, "admin", says="SKU-000001"),
        Ask("/admin/products", 403, "customer"),
    ),
    (
        "GET /admin/products/new",
        Ask("/admin/products/new", 200, "admin", says="New product"),
        Ask("/admin/products/new", 403, "customer"),
    ),
    (
        "POST /admin/products/new",
        Ask("/admin/products/new", 302, "admin", form=GOODS, to="/admin"),
        Ask("/admin/products/new", 400, "admin", form={"name": "Neu", "price": "nan", "category_id": "1"}),
    ),
    (
        "GET /admin/products/<int:product_id>",
        Ask("/admin/products/1", 200, "admin", says="Upload"),
        Ask("/admin/products/999999999", 404, "admin"),
    ),
    (
        "POST /admin/products/<int:product_id>",
        Ask("/admin/products/{product}", 302, "admin", form={"price": "4.75"}, to="/admin/products/"),
        Ask("/admin/products/1", 400, "admin", form={"price": "free"}),
    ),
    (
        "POST /admin/products/<int:product_id>/image",
        Ask("/admin/products/{product}/image", 302, "admin", form={}, picture=PNG, to="/admin/products/"),
        Ask("/admin/products/1/image", 400, "admin", form={}, picture=b"<script>", says="A PNG"),
    ),
    (
        "POST /admin/prices",
        Ask("/admin/prices", 302, "admin", form={"category_id": "1", "percent": "0"}, to="/admin/products"),
        Ask("/admin/prices", 400, "admin", form={"category_id": "1", "percent": "51"}),
    ),
    (
        "GET /admin/stock",
        Ask("/admin/stock", 200, "admin"),
        Ask("/admin/stock", 403, "customer"),
    ),
    (
        "POST /admin/stock",
        Ask("/admin/stock", 302, "admin", {"product_id": "{product}", "quantity": "5"}, to="/admin/stock"),
        Ask("/admin/stock", 400, "admin", form={"product_id": "1", "quantity": "-5"}),
    ),
    (
        "GET /admin/orders",
        Ask("/admin/orders", 200, "admin"),
        Ask("/admin/orders", 403, "customer"),
    ),
    (
        "POST /admin/orders/<int:order_id>/status",
        Ask("/admin/orders/{order}/status", 302, "admin", form={"status": "shipped"}, to="/admin/orders"),
        Ask("/admin/orders/{order}/status", 400, "admin", form={"status": "lost"}),
    ),
    (
        "GET /admin/coupons",
        Ask("/admin/coupons", 200, "admin", says="WELCOME10"),
        Ask("/admin/coupons", 302, to="/login"),
    ),
    (
        "POST /admin/coupons",
        Ask("/admin/coupons", 302, "admin", form=COUPON, to="/admin/coupons"),
        Ask("/admin/coupons", 409, "admin", form={"code": "WELCOME10", "percent": "7"}, says="exists"),
    ),
    (
        "POST /admin/coupons/<code>/delete",
        Ask("/admin/coupons/{coupon}/delete", 302, "admin", form={}, to="/admin/coupons"),
        Ask("/admin/coupons/NONE/delete", 404, "admin", form={}),
    ),
    (
        "POST /admin/cache/clear",
        Ask("/admin/cache/clear", 302, "admin", form={}, to="/admin/"),
        Ask("/admin/cache/clear", 403, "customer", form={}),
    ),
    (
        "GET /admin/export/labels.csv",
        Ask("/admin/export/labels.csv?rows=3", 200, "admin", says="3,SKU-000003,"),
        Ask("/admin/export/labels.csv?rows=many", 400, "admin"),
    ),
    (
        "GET /api/products/<int:product_id>",
        Ask("/api/products/1", 200, says='"sku":"SKU-000001"'),
        Ask("/api/products/999999999", 404, says="no such product"),
    ),
    (
        "GET /api/products",
        Ask("/api/products?page=2&per_page=5&sort=name", 200, says='"page":2'),
        Ask("/api/products?page=0", 400, says="page must be"),
    ),
    (
        "GET /api/categories",
        Ask("/api/categories", 200, says="product_count"),
        Ask("/api/categories", 405, method="POST"),
    ),
    (
        "GET /api/categories/<slug>",
        Ask("/api/categories/{shelf}", 200, says='"products":['),
        Ask("/api/categories/nirgends", 404, says="no such category"),
    ),
    ("GET /api/search", Ask("/api/search?q=E", 200, says='"total":'), Ask("/api/search?q=%20", 400)),
    (
        "GET /api/stock",
        Ask("/api/stock?ids=1,12", 200, says='"quantity":'),
        Ask("/api/stock?ids=1,x", 400, says="ids must be"),
    ),
    (
        "POST /api/login",
        Ask("/api/login", 200, "other", json=FIVE),
        Ask("/api/login", 401, json={"email": "customer5@example.test", "password": ["secret5"]}),
    ),
    ("POST /api/logout", Ask("/api/logout", 204, "leaving", json={}), Ask("/api/logout", 401, json={})),
    ("GET /api/me", Ask("/api/me", 200, "customer", says="customer2@"), Ask("/api/me", 401)),
    ("GET /api/cart", Ask("/api/cart", 200, says='"items":[]'), Ask("/api/cart", 405, method="POST")),
    (
        "POST /api/cart/items",
        Ask("/api/cart/items", 201, "customer", json={"product_id": 1, "quantity": 1}),
        Ask("/api/cart/items", 400, "customer", json={"product_id": "1", "quantity": True}),
    ),
    (
        "DELETE /api/cart/items/<int:item_id>",
        Ask("/api/cart/items/{item}", 200, "customer", method="DELETE"),
        Ask("/api/cart/items/999999999", 404, "customer", method="DELETE"),
    ),
    (
        "POST /api/coupons/apply",
        Ask("/api/coupons/apply", 200, "customer", json={"code": "{coupon}"}),
        Ask("/api/coupons/apply", 409, "customer", json={"code": "OLD15"}),
    ),
    (
        "POST /api/orders",
        Ask("/api/orders?{item}", 201, "customer", json={"method": "paypal"}),
        Ask("/api/orders", 401, json={"method": "paypal"}),
    ),
    ("GET /api/orders", Ask("/api/orders", 200, "customer", says='"items":'), Ask("/api/orders", 401)),
    (
        "GET /api/orders/<int:order_id>",
        Ask("/api/orders/{order}", 200, "customer", says='"lines":'),
        Ask("/api/orders/{stranger}", 404, "customer", says="no such order"),
    ),
    (
        "GET /api/whereami",
        Ask("/api/whereami", 200, says="zone"),
        Ask("/api/whereami", 405, method="PUT"),
    ),
    (
        "GET /healthz",
        Ask("/healthz", 200, says="ok"),
        Ask("/healthz", 405, method="PUT"),
    ),
]

# What only programs of the house may ask (test_neighbours.py); a facade in front serves them to nobody.
INTERNAL = [
    "GET /internal/customers/<int:customer_id>",
    "GET /internal/whoami",
    "POST /internal/orders/placed",
]
