"""Fill an empty database: the same seed and sizes give the same rows, on any machine and any day."""

import json
import random
from datetime import datetime, timedelta

from sqlalchemy import text

from . import db, models, words
from .security import hash_password
from .slugs import slugify

# Everything in the sample happened before this day.
TODAY = datetime(2026, 3, 1)
CHUNK = 5000
COUPONS = (("WELCOME10", 10, True), ("SPRING5", 5, True), ("VIP20", 20, True), ("OLD15", 15, False))


def seed(products, customers, orders, seed=1):
    """Create the schema and insert everything with bulk inserts in one transaction."""
    db.create_schema()
    dice = random.Random(seed)
    prices = {}
    with db.engine.begin() as connection:
        _fill(connection, models.Category, categories())
        _fill(connection, models.Product, catalogue(dice, products, prices))
        _fill(connection, models.Stock, shelves(dice, products))
        _fill(connection, models.Coupon, coupons())
        _fill(connection, models.Customer, people(dice, customers))
        _fill(connection, models.Address, homes(dice, customers))
        _fill_history(connection, dice, prices, customers, orders)
        _set_sequences(connection)


def _fill(connection, model, rows):
    chunk = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            connection.execute(model.__table__.insert(), chunk)
            chunk = []
    if chunk:
        connection.execute(model.__table__.insert(), chunk)


def categories():
    for number, name in enumerate(words.CATEGORIES, 1):
        yield {"id": number, "slug": slugify(name), "name": name}


def a_moment(dice, days=500):
    """A moment in shop hours: never in the hour that a change of the clocks repeats or skips."""
    return (
        TODAY - timedelta(days=dice.randint(1, days)) + timedelta(hours=8, seconds=dice.randrange(12 * 3600))
    )


def catalogue(dice, count, prices):
    for number in range(1, count + 1):
        shelf = dice.randrange(len(words.CATEGORIES))
        color = dice.choice(list(words.COLORS))
        name = f"{color} {dice.choice(words.THINGS[shelf])} {number}"
        prices[number] = dice.randint(99, 24_999) / 100
        yield {
            "id": number,
            "sku": f"SKU-{number:06d}",
            "slug": slugify(name),
            "name": name,
            "search_name": name.lower(),
            "description": f"{name}: schön und haltbar. Lieferung in {dice.randint(2, 9)} Tagen.",
            "price": prices[number],
            "currency": "EUR",
            "category_id": shelf + 1,
            "attributes": json.dumps(attributes(dice, color), ensure_ascii=False),
            "tags": ",".join(sorted(dice.sample(words.TAGS, dice.randint(1, 3)))),
            "image": None,
            "updated_at": a_moment(dice),
        }


def attributes(dice, color):
    found = [
        {"name": "weight_g", "value": dice.randint(5, 500) * 10},
        {"name": "color", "value": words.COLORS[color]},
        {"name": "material", "value": dice.choice(words.MATERIALS)},
        {"name": "warranty_years", "value": dice.randint(1, 5)},
    ]
    return found[: dice.randint(2, 4)]


def shelves(dice, count):
    """One product in twelve is sold out; of the others there is more than anybody can order."""
    for number in range(1, count + 1):
        sold_out = number % 12 == 0
        yield {
            "product_id": number,
            "quantity": 0 if sold_out else 1_000_000 + dice.randrange(1_000_000),
            "restock_note": dice.choice(words.RESTOCK) if sold_out else None,
            "updated_at": a_moment(dice),
        }


def coupons():
    for code, percent, active in COUPONS:
        yield {"code": code, "percent": percent, "used": 0, "active": active, "expires_at": None}


def people(dice, count):
    """Customer n is customer{n}@example.test with the password secret{n}; the last one is the admin."""
    for number in range(1, count + 2):
        admin = number == count + 1
        password = "admin" if admin else f"secret{number}"
        name = f"{dice.choice(words.FIRST_NAMES)} {dice.choice(words.LAST_NAMES)}"
        yield {
            "id": number,
            "email": "admin@example.test" if admin else f"customer{number}@example.test",
            "name": "Admin" if admin else name,
            "password_hash": hash_password(password, f"{dice.getrandbits(32):08x}"),
            "is_admin": admin,
            "created_at": a_moment(dice, 900),
        }


def homes(dice, count):
    for number in range(1, count + 2):
        zip_code, city = dice.choice(words.CITIES)
        yield {
            "id": number,
            "customer_id": number,
            "street": f"{dice.choice(words.STREETS)} {dice.randint(1, 99)}",
            "zip_code": zip_code,
            "city": city,
            "country": "DE",
        }


def _fill_history(connection, dice, prices, customers, orders):
    """Past orders with what belongs to each; without products or customers nobody ever ordered."""
    if not prices or not customers:
        return
    tables = (
        models.Order,
        models.OrderLine,
        models.Payment,
        models.Invoice,
        models.EmailLog,
        models.PageView,
    )
    kept = {model: [] for model in tables}
    for number in range(1, orders + 1):
        past_order(dice, number, prices, customers, kept)
        if number % 2000 == 0 or number == orders:
            for model, rows in kept.items():
                _fill(connection, model, rows)
                rows.clear()


def past_order(dice, number, prices, customers, kept):
    customer, placed = dice.randint(1, customers), a_moment(dice)
    products = [dice.randint(1, len(prices)) for _ in range(dice.randint(1, 4))]
    lines = [
        {"order_id": number, "product_id": p, "quantity": dice.randint(1, 3), "unit_price": prices[p]}
        for p in products
    ]
    total = sum(line["unit_price"] * line["quantity"] for line in lines) + 4.9
    kept[models.OrderLine] += lines
    kept[models.Order].append(
        {
            "id": number,
            "customer_id": customer,
            "address_id": customer,
            "status": dice.choice(("shipped", "shipped", "shipped", "paid", "cancelled")),
            "coupon_code": None,
            "discount": 0.0,
            "shipping": 4.9,
            "total": total,
            "placed_at": placed,
        }
    )
    kept[models.Payment].append(
        {
            "order_id": number,
            "method": dice.choice(("card", "invoice", "paypal")),
            "amount": total,
            "status": "paid",
            "created_at": placed,
        }
    )
    kept[models.Invoice].append(
        {
            "order_id": number,
            "number": f"R-{number:07d}",
            "total": total,
            "issued_at": placed + timedelta(hours=1),
        }
    )
    kept[models.EmailLog].append(
        {"customer_id": customer, "template": "order", "subject": f"Your order {number}", "sent_at": placed}
    )
    kept[models.PageView].append(
        {
            "path": f"/api/products/{products[0]}",
            "customer_id": customer,
            "address": "192.0.2.1",
            "user_agent": "seed",
            "viewed_at": placed,
        }
    )


def _set_sequences(connection):
    """PostgreSQL's generators do not notice ids that were given by hand."""
    if connection.dialect.name != "postgresql":
        return
    for table in ("categories", "products", "customers", "addresses", "orders"):
        following = f"SELECT coalesce(max(id), 0) + 1 FROM {table}"
        connection.execute(
            text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), ({following}), false)")
        )
