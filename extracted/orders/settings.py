"""What the service is told from outside, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from extracted.orders.errors import OrdersError


@dataclass(frozen=True, slots=True)
class Settings:
    """`legacy_url` is the monolith, asked directly; `catalog_url` whoever tells products: the facade."""

    legacy_url: str
    catalog_url: str
    secret: str
    keys: str
    zone: ZoneInfo
    build: str


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read the ORDERS_… variables. Raises OrdersError when one of them is of no use."""
    zone = environment.get("ORDERS_TZ") or "Europe/Berlin"
    build = environment.get("ORDERS_BUILD") or "orders-1"
    try:
        shop_zone = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise OrdersError(f"ORDERS_TZ is {zone!r}, which is no time zone; try Europe/Berlin") from error
    if not (build.isascii() and build.isprintable() and " " not in build):
        raise OrdersError(f"ORDERS_BUILD is {build!r}: it goes into a header, so use ASCII without blanks")
    return Settings(
        legacy_url=environment.get("ORDERS_LEGACY_URL") or "http://127.0.0.1:5001",
        catalog_url=environment.get("ORDERS_CATALOG_URL") or "http://127.0.0.1:8000",
        secret=environment.get("ORDERS_LEGACY_SECRET") or "",
        keys=environment.get("ORDERS_IDENTITY_KEYS") or "http://127.0.0.1:8001/jwks.json",
        zone=shop_zone,
        build=build,
    )
