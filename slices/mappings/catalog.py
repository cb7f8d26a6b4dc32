"""How the monolith's shelves and the catalog's rows become each other, exactly, both ways.

Plain functions over plain dicts, and nothing of the framework: this file is the plan's.
`backward(forward(row)) == row` for every row that has a counterpart; a row that has none raises ValueError
and is set aside until a person has decided. Where the monolith spelled something in its own way (a price with
a third decimal, JSON with other blanks, an empty tag) the service keeps that spelling beside its own value.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]

SHOP = ZoneInfo("Europe/Berlin")
NAMESPACE = uuid.UUID("6f0d6f0c-59c3-5a43-9c35-0e1a5f6b7f11")
MOST_CENTS = 2**53  # beyond it a float no longer tells cents apart


def stable_id(kind: str, legacy_id: int) -> uuid.UUID:
    """The service's id of the monolith's row."""
    if type(legacy_id) is not int:
        raise ValueError(f"the id {legacy_id!r} is no whole number")
    return uuid.uuid5(NAMESPACE, f"{kind}:{legacy_id}")


def known_id(row: Row, column: str, kind: str, legacy_id: int) -> int:
    """The monolith's integer beside the service's id, which must be the id computed from it."""
    if row[column] != stable_id(kind, legacy_id):
        raise ValueError(f"{column} {row[column]} is not the id of {kind} {legacy_id}")
    return legacy_id


def price(amount: Any) -> Row:
    """The nearest cents, and the price itself where it is no whole number of them."""
    if type(amount) not in (float, int):
        raise ValueError(f"price is {amount!r}, which is no amount")
    if abs(amount) < MOST_CENTS / 100 and (cents := round(amount * 100)) / 100 == amount:
        return {"price_cents": cents, "price_exact": None}
    exact = Decimal(repr(amount)) * 100
    if not exact.is_finite() or abs(exact) > MOST_CENTS:
        raise ValueError(f"price is {amount!r}, which is no amount of money")
    cents = int(exact.to_integral_value(ROUND_HALF_EVEN))
    return {"price_cents": cents, "price_exact": float(amount)}


def updated(local: Any) -> Row:
    """The instant of a local time (the first, if it occurs twice); the time itself if there was none."""
    if type(local) is not datetime or local.tzinfo is not None:
        raise ValueError(f"updated_at is {local!r}, which is no local time")
    try:
        instant = local.replace(tzinfo=SHOP, fold=0).astimezone(UTC)
        return {"updated_at": instant, "updated_local": None if to_local(instant) == local else local}
    except OverflowError as error:
        raise ValueError(f"updated_at is {local!r}, beyond what a calendar holds") from error


def to_local(instant: datetime) -> datetime:
    """What the shop's clock says, without saying so."""
    return instant.astimezone(SHOP).replace(tzinfo=None, fold=0)


def attributes(text: Any) -> Row:
    """The attributes in their order, and the text itself where they would be written down in another way."""
    if not isinstance(text, str):
        raise ValueError(f"attributes are {text!r}, which is no text")
    try:
        found = json.loads(text, parse_constant=_no_number)
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            raise ValueError("they are no list of objects")
        plain = written(found) == text and not _holds_float(found)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"attributes cannot be read: {error}") from error
    return {"attributes": found, "attributes_text": None if plain else text}


def written(found: Any) -> str:
    """As the monolith writes them, keys in the order in which PostgreSQL keeps them: short ones first."""
    return json.dumps(_in_order(found), ensure_ascii=False, allow_nan=False)


def _in_order(value: Any) -> Any:
    if isinstance(value, list):
        return [_in_order(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    spelled = {key: key.encode("utf-8", "surrogatepass") for key in value}
    keys = sorted(value, key=lambda key: (len(spelled[key]), spelled[key]))
    return {key: _in_order(value[key]) for key in keys}


def _holds_float(value: Any) -> bool:
    # A database that keeps JSON as numbers may write 1e22 in another way than Python.
    if isinstance(value, dict):
        return any(map(_holds_float, value.values()))
    return isinstance(value, float) or (isinstance(value, list) and any(map(_holds_float, value)))


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def tags(text: Any) -> Row:
    """The tags, and the text itself where joining them would give another."""
    if not isinstance(text, str):
        raise ValueError(f"tags are {text!r}, which is no text")
    found = [tag for tag in text.split(",") if tag]
    return {"tags": found, "tags_text": None if ",".join(found) == text else text}


class Category:
    """categories → categories."""

    LEGACY_COLUMNS = ("id", "slug", "name")
    EXTRACTED_COLUMNS = ("id", "legacy_id", "slug", "name")

    @staticmethod
    def forward(row: Row) -> Row:
        """The catalog's row."""
        return {
            "id": stable_id("category", row["id"]),
            "legacy_id": row["id"],
            "slug": row["slug"],
            "name": row["name"],
        }

    @staticmethod
    def backward(row: Row) -> Row:
        """The monolith's row."""
        number = known_id(row, "id", "category", row["legacy_id"])
        return {"id": number, "slug": row["slug"], "name": row["name"]}


ALIKE = ("sku", "slug", "name", "description", "currency")


class Product:
    """products → products; pictures stay with the monolith."""

    LEGACY_COLUMNS = (
        "id", *ALIKE, "search_name", "price", "category_id", "attributes", "tags", "updated_at",
    )  # fmt: skip
    EXTRACTED_COLUMNS = (
        "id", "legacy_id", "category_id", "legacy_category_id", *ALIKE, "name_folded",
        "price_cents", "price_exact", "attributes", "attributes_text", "tags", "tags_text",
        "updated_at", "updated_local",
    )  # fmt: skip

    @staticmethod
    def forward(row: Row) -> Row:
        """The catalog's row."""
        return {
            "id": stable_id("product", row["id"]),
            "legacy_id": row["id"],
            "category_id": stable_id("category", row["category_id"]),
            "legacy_category_id": row["category_id"],
            **{name: row[name] for name in ALIKE},
            # Found under the old name, where somebody forgot to change the copy: as the monolith finds it.
            "name_folded": row["search_name"],
            **price(row["price"]),
            **attributes(row["attributes"]),
            **tags(row["tags"]),
            **updated(row["updated_at"]),
        }

    @staticmethod
    def backward(row: Row) -> Row:
        """The monolith's row; raises ValueError where a value contradicts the spelling kept beside it."""
        cents, local = row["price_exact"], row["updated_local"]
        made: Row = {
            "id": known_id(row, "id", "product", row["legacy_id"]),
            **{name: row[name] for name in ALIKE},
            "search_name": row["name_folded"],
            "price": row["price_cents"] / 100 if cents is None else cents,
            "category_id": known_id(row, "category_id", "category", row["legacy_category_id"]),
            "attributes": row["attributes_text"] or written(row["attributes"]),
            "tags": ",".join(row["tags"]) if row["tags_text"] is None else row["tags_text"],
            "updated_at": to_local(row["updated_at"]) if local is None else local,
        }
        if not Product.same(Product.forward(made), row):
            raise ValueError(f"product {made['id']}: a value contradicts the spelling that is kept beside it")
        return made

    @staticmethod
    def same(expected: Row, found: Row) -> bool:
        """Whether the monolith could tell the rows apart: an hour that occurs twice is one to it."""
        return expected.keys() == found.keys() and all(
            value == found[name] or (name == "updated_at" and _same_moment(value, found[name]))
            for name, value in expected.items()
        )


def _same_moment(one: Any, other: Any) -> bool:
    if not (isinstance(one, datetime) and isinstance(other, datetime)):
        return False
    if one.tzinfo is None or other.tzinfo is None:
        return False
    return to_local(one) == to_local(other)


category = Category()
product = Product()
