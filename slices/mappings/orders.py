"""How the monolith's rows and the order service's become each other, exactly, both ways.

Plain functions over plain dicts, and nothing of the framework: this file is the plan's.
`backward(forward(row)) == row` for every row that has a counterpart; a row that has none raises ValueError
and is set aside until a person has decided.

Money: the monolith has floats, the service cents; a float that is no whole number of cents stays beside them.
Time: the monolith has local time without a zone, the service UTC. Of an hour that occurs twice the first is
meant (and `same` knows that the monolith cannot tell); a skipped time stays beside the instant.
"""

from __future__ import annotations

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


def money(name: str, amount: Any) -> Row:
    """The nearest cents, and the amount itself where it is no whole number of them."""
    if type(amount) not in (float, int):
        raise ValueError(f"{name} is {amount!r}, which is no amount")
    if abs(amount) < MOST_CENTS / 100 and (cents := round(amount * 100)) / 100 == amount:
        return {f"{name}_cents": cents, f"{name}_exact": None}
    exact = Decimal(repr(amount)) * 100
    if not exact.is_finite() or abs(exact) > MOST_CENTS:
        raise ValueError(f"{name} is {amount!r}, which is no amount of money")
    cents = int(exact.to_integral_value(ROUND_HALF_EVEN))
    return {f"{name}_cents": cents, f"{name}_exact": float(amount)}


def amount(row: Row, name: str) -> float:
    """The monolith's float."""
    cents, exact = row[f"{name}_cents"], row[f"{name}_exact"]
    found = cents / 100 if exact is None else exact
    if money(name, found) != {f"{name}_cents": cents, f"{name}_exact": exact}:
        raise ValueError(f"{name}_cents is {cents!r} and {name}_exact {exact!r}, which contradict each other")
    return float(found)


def moment(name: str, local: Any) -> Row:
    """The instant of a local time, and the local time itself where there was none."""
    if type(local) is not datetime or local.tzinfo is not None:
        raise ValueError(f"{name}_at is {local!r}, which is no local time")
    try:
        instant = local.replace(tzinfo=SHOP, fold=0).astimezone(UTC)
        kept = None if to_local(instant) == local else local
    except OverflowError as error:
        raise ValueError(f"{name}_at is {local!r}, beyond what a calendar holds") from error
    return {f"{name}_at": instant, f"{name}_local": kept}


def to_local(instant: datetime) -> datetime:
    """What the shop's clock says, without saying so."""
    return instant.astimezone(SHOP).replace(tzinfo=None, fold=0)


def local_time(row: Row, name: str) -> datetime:
    """The monolith's local time."""
    instant, kept = row[f"{name}_at"], row[f"{name}_local"]
    if type(instant) is not datetime or instant.tzinfo is None:
        raise ValueError(f"{name}_at is {instant!r}, which is no instant")
    try:
        found = to_local(instant) if kept is None else kept
    except OverflowError as error:
        raise ValueError(f"{name}_at is {instant!r}, beyond what a calendar holds") from error
    if kept is not None and moment(name, kept) != {f"{name}_at": instant, f"{name}_local": kept}:
        raise ValueError(f"{name}_at is {instant} and {name}_local {kept}, which contradict each other")
    return found


def same(expected: Row, found: Row) -> bool:
    """Whether the monolith could tell the rows apart: an hour that occurs twice is one to it."""
    return expected.keys() == found.keys() and all(
        value == found[name] or _same_moment(value, found[name]) for name, value in expected.items()
    )


def _same_moment(one: Any, other: Any) -> bool:
    if not (isinstance(one, datetime) and isinstance(other, datetime)):
        return False
    if one.tzinfo is None or other.tzinfo is None:
        return False
    return to_local(one) == to_local(other)


class Mapping:
    """One pair of tables: columns that are alike, amounts, moments, and whose row it is.

    `kind` is what the service's id is computed from; `owned`: the row belongs to an order.
    """

    def __init__(
        self, kind: str, *, alike: str, money: str = "", moments: str, owned: bool = False, key: str = "id"
    ) -> None:
        self.kind, self.owned, self.key = kind, owned, key
        self.alike, self.money, self.moments = alike.split(), money.split(), moments.split()
        # Which columns of the two tables are mapped at all; the others are nobody's business.
        self.LEGACY_COLUMNS = (
            key,
            *(["order_id"] if owned else []),
            *self.alike,
            *self.money,
            *(f"{name}_at" for name in self.moments),
        )
        self.EXTRACTED_COLUMNS = (
            "id",
            "legacy_id" if key == "id" else key,
            *(["order_id", "legacy_order_id"] if owned else []),
            *self.alike,
            *(f"{name}_{end}" for name in self.money for end in ("cents", "exact")),
            *(f"{name}_{end}" for name in self.moments for end in ("at", "local")),
        )

    def forward(self, row: Row) -> Row:
        """The service's row of the monolith's."""
        made: Row = {"id": stable_id(self.kind, row[self.key]), self._integer: row[self.key]}
        if self.owned:
            made |= {
                "order_id": stable_id("order", row["order_id"]),
                "legacy_order_id": row["order_id"],
            }
        made |= {name: row[name] for name in self.alike}
        for name in self.money:
            made |= money(name, row[name])
        for name in self.moments:
            made |= moment(name, row[f"{name}_at"])
        return made

    def backward(self, row: Row) -> Row:
        """The monolith's row of the service's."""
        made: Row = {self.key: known_id(row, "id", self.kind, row[self._integer])}
        if self.owned:
            made["order_id"] = known_id(row, "order_id", "order", row["legacy_order_id"])
        made |= {name: row[name] for name in self.alike}
        made |= {name: amount(row, name) for name in self.money}
        made |= {f"{name}_at": local_time(row, name) for name in self.moments}
        return made

    same = staticmethod(same)

    @property
    def _integer(self) -> str:
        return "legacy_id" if self.key == "id" else self.key


order = Mapping(
    "order",
    alike="customer_id address_id status coupon_code client_reference",
    money="discount shipping total",
    moments="placed",
)
line = Mapping("line", alike="product_id quantity", money="unit_price", moments="", owned=True)
payment = Mapping("payment", alike="method status", money="amount", moments="created", owned=True)
invoice = Mapping("invoice", alike="number", money="total", moments="issued", owned=True)
# A shelf has no id of its own: it is its product's.
stock = Mapping("product", alike="quantity restock_note", moments="updated", key="product_id")
