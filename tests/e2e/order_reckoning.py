"""The last word on orders: the clerks' books beside what both databases hold, read by plain SQL.

Nothing of the framework reads anything here; the mapping file is the plan's own, as its user wrote it.
"""

from __future__ import annotations

import importlib.util
import json
import sqlite3
import uuid
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
from sqlalchemy import make_url

from tests.e2e.system import REPO

ENTITIES = {
    "order": ("orders", "orders"),
    "line": ("order_lines", "order_lines"),
    "payment": ("payments", "payments"),
    "invoice": ("invoices", "invoices"),
    "stock": ("stock", "stock"),
}
Row = dict[str, Any]
Tables = dict[str, list[Row]]  # by entity
_MOMENTS = ("_at", "_local")


@dataclass
class Books:
    """What the writers wrote down."""

    sent: dict[str, tuple[int, list[tuple[int, int]]]] = field(default_factory=dict)
    acknowledged: dict[str, int | None] = field(default_factory=dict)  # None: an order without a number told
    twice: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    wished: dict[int, str] = field(default_factory=dict)
    status: dict[int, str] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    builds: Counter[str] = field(default_factory=Counter)  # whose program took the order
    looks: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)


def read_books(folder: Path) -> Books:
    """All of them together."""
    books = Books()
    for path in sorted(folder.glob("book-*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            _note(books, *json.loads(line))
    return books


def _note(books: Books, what: str, about: Any, *rest: Any) -> None:
    if what == "sent":
        books.sent[about] = (rest[0], [(product, count) for product, count in rest[1]])
    elif what in ("ack", "there"):
        if about in books.acknowledged:
            books.twice.append(about)
        books.acknowledged[about] = rest[0] if what == "ack" else None
        if what == "ack" and rest[0] is not None:
            books.times.append(rest[1])
            books.seconds.append(rest[2])
            books.builds[rest[3]] += 1
    elif what == "refused":
        books.refused.add(about)
    elif what == "unsure":
        books.unsure.add(about)
    elif what in ("wish", "set"):
        (books.wished if what == "wish" else books.status)[about] = rest[0]
    elif what == "error":
        books.errors[rest[0]] += 1
    elif what == "look":
        books.looks[rest[0]] += 1


@dataclass
class Reckoning:
    """Each list has to be empty."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    uninvited: list[str] = field(default_factory=list)  # nobody sent it, or it was refused, and there it is
    mangled: list[str] = field(default_factory=list)  # an order without its lines, payment or status
    stock: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    rows: int = 0

    @property
    def problems(self) -> dict[str, list[str]]:
        """What is wrong, the first of each kind."""
        names = ("lost", "doubled", "uninvited", "mangled", "stock", "mismatched")
        return {name: getattr(self, name)[:10] for name in names if getattr(self, name)}


def read_side(url: str, mapping: ModuleType, *, extracted: bool) -> Tables:
    """Every mapped table of a side, with the mapped columns."""
    tables: Tables = {}
    for entity, names in ENTITIES.items():
        one = getattr(mapping, entity)
        columns = one.EXTRACTED_COLUMNS if extracted else one.LEGACY_COLUMNS
        statement = f"SELECT {', '.join(columns)} FROM {names[extracted]}"
        found = _read(url, statement)
        tables[entity] = [
            {name: _value(url, name, value) for name, value in zip(columns, row, strict=True)}
            for row in found
        ]
    return tables


def _read(url: str, statement: str) -> list[tuple[Any, ...]]:
    where = make_url(url)
    if where.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(where.database or "")) as line:
            return line.execute(statement).fetchall()
    plain = where.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as server:
        return server.execute(statement.encode()).fetchall()


def _value(url: str, name: str, value: Any) -> Any:
    """SQLite keeps moments and ids as text."""
    if not url.startswith("sqlite") or not isinstance(value, str):
        return value
    if name.endswith(_MOMENTS):
        return datetime.fromisoformat(value)
    return uuid.UUID(value) if name in ("id", "order_id") else value


def mapping_of_the_plan() -> ModuleType:
    """`slices/mappings/orders.py`, by its path."""
    path = REPO / "slices" / "mappings" / "orders.py"
    spec = importlib.util.spec_from_file_location("mapping_of_orders", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shelves(url: str) -> dict[int, int]:
    """What is in stock, by product."""
    return {
        int(product): int(count) for product, count in _read(url, "SELECT product_id, quantity FROM stock")
    }


def reckon(legacy: str, extracted: str, books: Books, before: dict[int, int], old: set[int]) -> Reckoning:
    """Compare, when all has settled. `before`: the shelves at the start; `old`: the orders of the seed."""
    mapping = mapping_of_the_plan()
    there = read_side(legacy, mapping, extracted=False)
    here = read_side(extracted, mapping, extracted=True)
    found = Reckoning(rows=sum(map(len, there.values())))
    for side, tables in (("legacy", there), ("extracted", _by_numbers(here))):
        _count_orders(side, tables, books, old, found)
        _count_goods(side, tables, before, old, found)
    _compare(mapping, there, here, found)
    return found


def _by_numbers(tables: Tables) -> Tables:
    """The service's rows under the monolith's integers: what callers know an order by."""
    named: Tables = {}
    for entity, rows in tables.items():
        named[entity] = []
        for row in rows:
            copy = dict(row)
            if "legacy_id" in row:
                copy["id"] = row["legacy_id"]
            if "legacy_order_id" in row:
                copy["order_id"] = row["legacy_order_id"]
            named[entity].append(copy)
    return named


def _count_orders(side: str, tables: Tables, books: Books, old: set[int], found: Reckoning) -> None:
    orders: dict[str, Row] = {}
    for row in tables["order"]:
        reference = row["client_reference"]
        if row["id"] in old:
            continue
        if reference in orders:
            found.doubled.append(f"{side} {reference}")
        if reference not in books.sent or reference in books.refused:
            found.uninvited.append(f"{side} {reference} ({row['id']})")
        orders[str(reference)] = row
    for reference, number in books.acknowledged.items():
        if reference not in orders:
            found.lost.append(f"{side} {reference}")
        elif number not in (None, orders[reference]["id"]):
            found.doubled.append(f"{side} {reference}: {orders[reference]['id']} instead of {number}")
    if books.twice:
        found.doubled += [f"acknowledged twice: {reference}" for reference in books.twice]
    _look_inside(side, tables, books, orders, found)


def _look_inside(side: str, tables: Tables, books: Books, orders: dict[str, Row], found: Reckoning) -> None:
    """Each order is whole: its lines as sent, one payment (a rogue's has none), the status last set."""
    lines, payments = _grouped(tables["line"]), _grouped(tables["payment"])
    for reference, row in orders.items():
        customer, items = books.sent.get(reference, (0, []))
        goods = sorted((line["product_id"], line["quantity"]) for line in lines.get(row["id"], []))
        if row["customer_id"] != customer or goods != sorted(items):
            found.mangled.append(f"{side} {reference}: {goods} instead of {items}")
        if len(payments.get(row["id"], [])) != ("rogue" not in reference):
            found.mangled.append(f"{side} {reference}: {len(payments.get(row['id'], []))} payments")
        status = books.status.get(row["id"])
        if status is not None and row["status"] != status:
            found.mangled.append(f"{side} {reference}: {row['status']} instead of {status}")


def _count_goods(side: str, tables: Tables, before: dict[int, int], old: set[int], found: Reckoning) -> None:
    taken: Counter[int] = Counter()
    for line in tables["line"]:
        if line["order_id"] not in old:
            taken[line["product_id"]] += line["quantity"]
    for shelf in tables["stock"]:
        product = shelf["product_id"]
        if before[product] - taken[product] != shelf["quantity"]:
            expected = before[product] - taken[product]
            found.stock.append(f"{side} product {product}: {shelf['quantity']} instead of {expected}")


def _grouped(rows: Iterable[Row]) -> dict[int, list[Row]]:
    groups: dict[int, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["order_id"], []).append(row)
    return groups


def _compare(mapping: ModuleType, there: Tables, here: Tables, found: Reckoning) -> None:
    """`forward(legacy) = extracted`, row by row."""
    for entity in ENTITIES:
        one = getattr(mapping, entity)
        expected = {row["id"]: row for row in map(one.forward, there[entity])}
        actual = {row["id"]: row for row in here[entity]}
        for key in expected.keys() | actual.keys():
            left, right = expected.get(key), actual.get(key)
            if left is None or right is None or not one.same(left, right):
                found.mismatched.append(f"{entity} {key}: {left} is not {right}")
