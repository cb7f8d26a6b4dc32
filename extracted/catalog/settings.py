"""What the service is told from outside, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from extracted.catalog import faults
from extracted.catalog.errors import CatalogError

FACADE = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class Settings:
    """`build` names the code on every answer; `demo` allows planted faults; `faulty` are active at start.

    `stock_url` is where `/api/stock` is asked: the facade, which knows who owns the stock today.
    """

    build: str = "catalog-1"
    demo: bool = False
    faulty: faults.Fault = faults.NONE
    stock_url: str = FACADE


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read CATALOG_BUILD, _DEMO, _FAULTS and _STOCK_URL. Raises CatalogError when they contradict."""
    demo = environment.get("CATALOG_DEMO") == "1"
    named = [name for name in environment.get("CATALOG_FAULTS", "").split(",") if name]
    try:
        faulty = faults.parse(named)
    except ValueError as error:
        raise CatalogError(f"CATALOG_FAULTS: {error}") from error
    if faulty and not demo:
        raise CatalogError("CATALOG_FAULTS plants mistakes: set CATALOG_DEMO=1 too, or unset it")
    build = environment.get("CATALOG_BUILD") or "catalog-1"
    if not (build.isascii() and build.isprintable() and " " not in build):
        raise CatalogError(f"CATALOG_BUILD is {build!r}: it goes into a header, so use ASCII without blanks")
    return Settings(build, demo, faulty, environment.get("CATALOG_STOCK_URL") or FACADE)
