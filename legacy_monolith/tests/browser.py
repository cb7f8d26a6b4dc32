"""A browser that knows how this shop's forms work."""

import re

import httpx

PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc"
    b"\xf8\xcf\xc0\xf0\x1f\0\5\0\1\xff\x89\x99=\x1d\0\0\0\0IEND\xaeB`\x82"
)


class Browser(httpx.Client):
    """Follows no redirect by itself: the tests want to see them."""

    def __init__(self, url):
        super().__init__(base_url=url, timeout=20)

    def token(self):
        """The form token of this session."""
        return re.search(r'name="csrf_token" value="([0-9a-f]+)"', self.get("/login").text).group(1)

    def submit(self, path, fields=None, files=None):
        """Send a form as a page of the shop would."""
        return self.post(path, data={**(fields or {}), "csrf_token": self.token()}, files=files)

    def log_in(self, email, password):
        assert self.post("/api/login", json={"email": email, "password": password}).status_code == 200
        return self

    def as_customer(self, number):
        return self.log_in(f"customer{number}@example.test", f"secret{number}")

    def as_admin(self):
        return self.log_in("admin@example.test", "admin")

    def put_into_cart(self, product_id=1, quantity=1):
        """The id of the cart's item."""
        cart = self.post("/api/cart/items", json={"product_id": product_id, "quantity": quantity}).json()
        return next(item["id"] for item in cart["items"] if item["product_id"] == product_id)

    def order(self, product_id=1, quantity=1, method="card"):
        """Place an order of one product and return it."""
        self.put_into_cart(product_id, quantity)
        placed = self.post("/api/orders", json={"method": method})
        assert placed.status_code == 201, placed.text
        return placed.json()
