"""Amounts and moments as the tables keep them, and as the monolith tells them. Pure."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]


def kept(name: str, amount: float) -> Row:
    """The nearest cents, and the float itself where it is no whole number of them."""
    cents = int((Decimal(repr(amount)) * 100).to_integral_value(ROUND_HALF_EVEN))
    return {f"{name}_cents": cents, f"{name}_exact": None if cents / 100 == amount else float(amount)}


def told(row: Row, name: str) -> float:
    """The monolith's float."""
    exact: float | None = row[f"{name}_exact"]
    return float(row[f"{name}_cents"] / 100) if exact is None else exact


def told_time(row: Row, name: str, zone: ZoneInfo) -> str:
    """The local time, without saying which: what the monolith answers."""
    local: datetime | None = row[f"{name}_local"]
    return (local or row[f"{name}_at"].astimezone(zone).replace(tzinfo=None)).isoformat()


def prices(goods: list[tuple[float, int]], shipping: float) -> tuple[float, float]:
    """(shipping, total) of (price, quantity) in floats, added up in the monolith's order, never rounded."""
    subtotal = sum(price * quantity for price, quantity in goods)
    if not subtotal or subtotal >= 50:
        shipping = 0.0
    return shipping, subtotal - 0.0 + shipping
