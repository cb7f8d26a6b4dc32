"""What one visitor does, decided beforehand: the same dice give the same visit. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from random import Random
from typing import Any
from urllib.parse import quote

Dice = Random


@dataclass(frozen=True, slots=True)
class Step:
    """One request. `route` names the method and path template, as the sample plan does."""

    route: str
    path: str
    method: str = "GET"
    body: dict[str, Any] | None = None
    navigation: bool = False  # a page that the browser opens, not a call that a page makes


@dataclass(frozen=True, slots=True)
class Moment:
    """Steps that are sent at once, after `think` seconds of looking at what came before."""

    steps: tuple[Step, ...]
    think: float = 0.0


Script = tuple[Moment, ...]


@dataclass(frozen=True, slots=True)
class Shop:
    """How much of everything the sample was seeded with."""

    products: int = 500
    customers: int = 200

    def __post_init__(self) -> None:
        if self.products < 1 or self.customers < 0:
            raise ValueError("the shop needs at least one product, and no fewer than 0 customers")


@dataclass(frozen=True, slots=True)
class Mix:
    """The share of sessions (0 to 1) that does each thing; `views` is a mean unless `exact_views`."""

    views: int = 4
    exact_views: bool = False
    listing: float = 0.4
    search: float = 0.4
    categories: float = 0.3
    category: float = 0.3
    burst: float = 0.5  # the first page asks for several things at once
    cart: float = 0.25
    login: float = 0.2
    order: float = 0.6  # of those who are logged in
    error: float = 0.1
    unkeyed: float = 0.1  # clients without cookies, beside each session that has them

    def __post_init__(self) -> None:
        shares = {
            f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("views", "exact_views")
        }
        wrong = sorted(name for name, share in shares.items() if not 0 <= share <= 1)
        if wrong or self.views < 0:
            raise ValueError(f"shares go from 0 to 1, views from 0: {', '.join(wrong) or 'views'}")


# For tests that count: the pages and the views, nothing else.
VIEWS_ONLY = Mix(
    exact_views=True,
    listing=0,
    search=0,
    categories=0,
    category=0,
    burst=0,
    cart=0,
    login=0,
    order=0,
    error=0,
    unkeyed=0,
)

WORDS = ("tasse", "Kanne", "ÖL", "blaue", "weiße", "茶碗", "schüssel", "säge", "dose", "gibt es nicht")
SLUGS = ("küche", "garten", "bücher", "möbel", "spielzeug", "café-tee", "日本の器", "öle-kräuter")


@dataclass(slots=True)
class Author:
    """Writes visits of one shop with one pair of dice."""

    dice: Dice
    shop: Shop
    mix: Mix
    think: float  # seconds, the mean pause between two moments; none is longer than twice that
    _script: list[Moment] = field(default_factory=list)

    def browser(self) -> Script:
        """A person: a page first, which brings the key; then what the page and the person ask for."""
        self._say(self._page())
        views = [self._view() for _ in range(self._views())]
        if views and self._happens(self.mix.burst):
            self._say(views.pop(0), Step("list_categories", "/api/categories"), self._list(), think=0.0)
        browsing = [*views, *self._browsing()]
        self.dice.shuffle(browsing)
        for step in browsing:
            self._say(step)
        self._shopping()
        return tuple(self._script)

    def client(self) -> Script:
        """A program that calls the API and keeps no cookie."""
        for _ in range(self.dice.randint(1, 3)):
            self._say(self.dice.choice((self._view, self._view, self._list, self._search))())
        return tuple(self._script)

    def _say(self, *steps: Step, think: float | None = None) -> None:
        first = not self._script
        pause = self.dice.uniform(0, 2 * self.think) if think is None else think
        self._script.append(Moment(steps, 0.0 if first else pause))

    def _happens(self, share: float) -> bool:
        return self.dice.random() < share

    def _product(self) -> int:
        # Low ids are the popular ones; the share of ids with a given remainder stays what it is.
        return int(self.shop.products * self.dice.random() ** 1.5) + 1

    def _views(self) -> int:
        return self.mix.views if self.mix.exact_views else max(0, self.mix.views + self.dice.randint(-1, 1))

    def _page(self) -> Step:
        if self._happens(0.7):
            return Step("home", "/", navigation=True)
        return Step("old_product_page", f"/product.php?id={self._product()}", navigation=True)

    def _view(self) -> Step:
        return Step("show_product", f"/api/products/{self._product()}")

    def _list(self) -> Step:
        page, sort = self.dice.randint(1, 5), self.dice.choice(("id", "name", "price"))
        return Step("list_products", f"/api/products?page={page}&per_page=10&sort={sort}")

    def _search(self) -> Step:
        return Step("search_products", f"/api/search?q={quote(self.dice.choice(WORDS))}")

    def _category(self) -> Step:
        return Step("show_category", f"/api/categories/{quote(self.dice.choice(SLUGS))}")

    def _browsing(self) -> Iterator[Step]:
        if self._happens(self.mix.listing):
            yield self._list()
        if self._happens(self.mix.search):
            yield self._search()
        if self._happens(self.mix.categories):
            yield Step("list_categories", "/api/categories")
        if self._happens(self.mix.category):
            yield self._category()
        if self._happens(self.mix.error):
            yield self._mistake()

    def _mistake(self) -> Step:
        beyond = self.shop.products + self.dice.randint(1, 1000)
        nobody = {"email": "nobody@example.test", "password": "wrong"}
        return self.dice.choice(
            (
                Step("show_product", f"/api/products/{beyond}"),
                Step("list_products", "/api/products?page=zero"),
                Step("search_products", "/api/search?q="),
                Step("show_category", "/api/categories/nowhere"),
                Step("login", "/api/login", "POST", nobody),
                Step("no_page", "/gone-since-last-year", navigation=True),
            )
        )

    def _shopping(self) -> None:
        knows_us = self.shop.customers > 0 and self._happens(self.mix.login)
        if knows_us:
            self._log_in()
        orders = knows_us and self._happens(self.mix.order)
        if orders or self._happens(self.mix.cart):
            item = {"product_id": self._in_stock(), "quantity": self.dice.randint(1, 3)}
            self._say(Step("add_to_cart", "/api/cart/items", "POST", item))
            self._say(Step("show_cart", "/api/cart"))
        if orders:
            method = self.dice.choice(("card", "invoice", "paypal"))
            self._say(Step("place_order", "/api/orders", "POST", {"method": method}))
            self._say(Step("list_orders", "/api/orders"))

    def _log_in(self) -> None:
        number = self.dice.randint(1, self.shop.customers)
        who = {"email": f"customer{number}@example.test", "password": f"secret{number}"}
        self._say(Step("login", "/api/login", "POST", who))

    def _in_stock(self) -> int:
        number = self._product()
        return number if number % 12 else max(1, number - 1)  # one in twelve is sold out


def visits(paths: list[str], browsers: int) -> Iterator[Script]:
    """Each path asked for exactly once, dealt out to `browsers` people who open the first page before."""
    if browsers < 1:
        raise ValueError("it takes at least one browser to ask for anything")
    for number in range(min(browsers, len(paths))):
        asked = (Moment((Step(route_of(path), path),)) for path in paths[number::browsers])
        yield (Moment((Step("home", "/", navigation=True),)), *asked)


def route_of(path: str) -> str:
    """The sample plan's name for a GET of `path`, or "other"."""
    bare = path.partition("?")[0]
    last = bare.rpartition("/")[2]
    known = {
        "/api/products": "list_products",
        "/api/categories": "list_categories",
        "/api/search": "search_products",
    }
    if bare in known:
        return known[bare]
    if bare == f"/api/products/{last}" and last.isascii() and last.isdigit():
        return "show_product"
    return (
        "show_category" if bare == f"/api/categories/{last}" and last else "home" if bare == "/" else "other"
    )
