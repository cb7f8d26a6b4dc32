"""Builders for the migration room's tests: a valid thing, with what the case is about changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from migration.core.effective import RouteState
from migration.core.flags import FlagState
from migration.core.plan import Plan, Route, Slice
from migration.core.template import Template
from migration.plan_file import load_plan

FLAG = "strangler.catalog.show_product"
SHADOW_FLAG = f"{FLAG}.shadow"

PLAN = """
[legacy]
url = "http://127.0.0.1:5001"

[services.catalog]
url = "http://127.0.0.1:5002"

[slices.catalog]
owner = "team-catalog"
data = "import"

[[slices.catalog.routes]]
name = "show_product"
match = "GET /api/products/{id:int}"
mirror = true
"""


def a_route(**changes: Any) -> Route:
    """The product route of the sample."""
    values: dict[str, Any] = {
        "slice_name": "catalog",
        "name": "show_product",
        "method": "GET",
        "template": Template.parse("/api/products/{id:int}"),
        "service": "catalog",
        "mirror": True,
    }
    return Route(**(values | changes))


def a_slice(data: str = "import", **changes: Any) -> Slice:
    """The slice of the sample."""
    return Slice(**({"name": "catalog", "owner": "team", "service": "catalog", "data": data} | changes))


def a_state(**changes: Any) -> RouteState:
    """A row of the ledger for the product route."""
    return RouteState(**({"route": "catalog.show_product"} | changes))


def a_strategy(rollout: Any = "10", flag: str = FLAG, **changes: Any) -> dict[str, Any]:
    """The one strategy a flag should have; `stickiness`, `groupId` and `rollout` are its parameters."""
    own = {"rollout": rollout, "stickiness": "userId", "groupId": flag}
    own |= {name: changes.pop(name) for name in ("stickiness", "groupId") if name in changes}
    return {"name": "flexibleRollout", "parameters": own, "constraints": []} | changes


def a_feature(flag: str = FLAG, rollout: Any = "10", **changes: Any) -> dict[str, Any]:
    """A flag as Unleash's client API shows it."""
    return {
        "name": flag,
        "type": "operational",
        "enabled": True,
        "strategies": [a_strategy(rollout, flag)],
    } | changes


def flags(*features: dict[str, Any], at: float | None = 0.0) -> FlagState:
    """A fetched state of the flags."""
    return FlagState.from_features({"version": 2, "features": list(features)}, at)


def a_plan(folder: Path, text: str = PLAN, **files: str) -> Plan:
    """The plan that `text` and further files say."""
    return load_plan(write_plan(folder, text, **files), {})


def write_plan(folder: Path, text: str = PLAN, **files: str) -> Path:
    """Write a plan and further files (name without suffix) and return the plan's path."""
    for name, content in {"plan": text, **files}.items():
        path = folder / f"{name.replace('__', '/')}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    return folder / "plan.toml"
