"""The JSON Schema of the plan, from the same table as the checker."""

from __future__ import annotations

from typing import Any

from migration.core import plan_keys, plan_slice_keys
from migration.core.conversions import CONVERSIONS
from migration.core.plan_identity import IDENTITY
from migration.core.plan_key import Key, Kind, Table
from migration.core.rules import OPERATIONS

_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_COLUMN: dict[str, Any] = {
    "type": "object",
    "properties": {"to": _TEXT, "as": {"type": "string", "pattern": f"^({'|'.join(CONVERSIONS)})"}},
    "required": ["to"],
    "additionalProperties": False,
}
_NAME = "^[a-z][a-z0-9_]{0,39}$"


def _pattern(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern}


_SHAPES: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: _TEXT,
    Kind.NAME: _pattern(_NAME),
    Kind.FLAG: {"type": "boolean"},
    Kind.COUNT: _COUNT,
    Kind.PORT: {**_COUNT, "maximum": 65_535},
    Kind.URL: _pattern("^(https?://|env:)"),
    Kind.DATABASE: _pattern("^(sqlite:///|postgresql(\\+psycopg)?://|env:)"),
    Kind.DURATION: _pattern("^[0-9]+(\\.[0-9]+)? ?(ms|s|min|h|d)$"),
    Kind.SIZE: _pattern("^[0-9]+(\\.[0-9]+)? ?(B|KB|MB|GB)$"),
    Kind.PERCENT: _pattern("^[0-9]+(\\.[0-9]+)? ?%$"),
    Kind.STEPS: {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1, "maximum": 100}},
    Kind.SECRET: _pattern("^env:[A-Za-z_][A-Za-z0-9_]*$"),
    Kind.TEXTS: {"type": "array", "items": _TEXT},
    Kind.NETWORKS: {"type": "array", "items": _TEXT},
    Kind.METHODS: {"type": "array", "items": _TEXT},
    Kind.PATH: _TEXT,
    Kind.KEY_SOURCE: _pattern("^(cookie|header|claim):"),
    Kind.FLAG_SOURCE: _pattern("^(file:|unleash:https?://)"),
    Kind.MATCH: _pattern("^[A-Z]+ /"),
    Kind.RULE_PATH: _TEXT,
    Kind.OPERATION: {"enum": sorted(OPERATIONS)},
    Kind.TABLES: {"anyOf": [_TEXT, {"type": "array", "minItems": 1, "items": _TEXT}]},
    Kind.MAPPING: _pattern("^[^:]+\\.py:[A-Za-z_][A-Za-z0-9_]*$"),
    Kind.OWNERS: {"type": "object", "minProperties": 1, "additionalProperties": _TEXT},
    Kind.COLUMNS: {"type": "object", "minProperties": 1, "additionalProperties": {"anyOf": [_TEXT, _COLUMN]}},
}


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `plan.toml`."""
    routes, rules = _table(plan_slice_keys.ROUTE), _table(plan_slice_keys.RULE)
    part = _table(plan_slice_keys.SLICE)
    entity = _table(plan_slice_keys.ENTITY)
    entity["properties"] |= {"references": _array(_table(plan_slice_keys.REFERENCE))}
    part["properties"] |= {"routes": _array(routes), "rules": _array(rules), "entities": _array(entity)}
    top = _table(plan_keys.TOP)
    top["properties"] |= {
        "legacy": _table(plan_keys.LEGACY),
        "services": _map(_table(plan_keys.SERVICE)),
        "key": _table(plan_keys.KEY),
        "flags": _table(plan_keys.FLAGS),
        "ledger": _table(plan_keys.LEDGER),
        "evidence": _table(plan_keys.EVIDENCE),
        "facade": _table(plan_keys.FACADE),
        "identity": _table(IDENTITY),
        "slices": _map(part),
    }
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "The plan of a migration"}
    return {**head, **top, "required": ["legacy"]}


def _table(table: Table) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "type": "object",
        "description": table.doc,
        "properties": {key.name: _key(key) for key in table.keys},
        "additionalProperties": table.free,
    }
    required = [key.name for key in table.keys if key.required]
    return {**shape, "required": required} if required else shape


def _key(key: Key) -> dict[str, Any]:
    shape: dict[str, Any] = (
        {"enum": list(key.choices)} if key.kind is Kind.CHOICE else dict(_SHAPES[key.kind])
    )
    shape["description"] = key.doc
    if key.default is not None:
        shape["default"] = list(key.default) if isinstance(key.default, tuple) else key.default
    return shape


def _map(shape: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "propertyNames": _pattern(_NAME), "additionalProperties": shape}


def _array(shape: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": shape}
