"""The things that the table of routes speaks of: an order, a stranger's order, a coupon."""

import re
import uuid

from legacy_monolith.tests.browser import PNG, Browser


class World:
    """What the paths in the table stand for; made when asked for."""

    def __init__(self, url):
        self.browsers = {who: Browser(url) for who in ("guest", "customer", "admin")}
        self.browsers["customer"].as_customer(2)
        self.browsers["admin"].as_admin()
        self.new = f"x{uuid.uuid4().hex[:10]}"

    def browser_of(self, who):
        """The browser of `who`; of somebody new when the name is not known."""
        if who not in self.browsers:
            self.browsers[who] = Browser(self.browsers["guest"].base_url)
        return self.browsers[who]

    def close(self):
        for browser in self.browsers.values():
            browser.close()

    def fill(self, template):
        return re.sub(r"\{(\w+)\}", lambda found: str(getattr(self, found[1])), template)

    @property
    def shelf(self):
        return self.browsers["guest"].get("/api/categories").json()["items"][0]["slug"]

    @property
    def slug(self):
        return self.browsers["guest"].get("/api/products/1").json()["slug"]

    @property
    def item(self):
        return self.browsers["customer"].put_into_cart()

    @property
    def order(self):
        return self.browsers["customer"].order()["id"]

    @property
    def invoiced(self):
        """An order of customer 2 that already has an invoice: an old one."""
        orders = self.browsers["customer"].get("/api/orders").json()["items"]
        return orders[-1]["id"]

    @property
    def stranger(self):
        """Somebody else's order."""
        return self.browser_of("stranger").as_customer(3).order()["id"]

    @property
    def product(self):
        """A product that only this test knows."""
        form = {"name": f"Prüfling {self.new}", "price": "3.50", "category_id": "1"}
        made = self.browsers["admin"].submit("/admin/products/new", form)
        return made.headers["location"].rsplit("/", 1)[-1]

    @property
    def picture(self):
        product = self.product
        self.browsers["admin"].submit(f"/admin/products/{product}/image", files={"image": ("a.png", PNG)})
        page = self.browsers["admin"].get(f"/admin/products/{product}").text
        return re.search(r"/media/([\w.-]+)", page).group(1)

    @property
    def coupon(self):
        code = uuid.uuid4().hex[:12].upper()
        self.browsers["admin"].submit("/admin/coupons", {"code": code, "percent": "5"})
        return code
