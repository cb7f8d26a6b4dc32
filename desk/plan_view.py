"""The plan as it is after defaults: for people as lines, for programs as a tree; secrets are left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from migration.core.plan import Plan
from migration.core.plan_key import Kind
from migration.core.plan_keys import TABLES
from migration.core.template import Template

_SECRET = frozenset(key.name for table in TABLES for key in table.keys if key.kind is Kind.SECRET)


def tree(plan: Plan) -> dict[str, Any]:
    """The plan as JSON values."""
    return {
        one.name: _field(one.name, getattr(plan, one.name)) for one in fields(plan) if one.name != "warnings"
    }


def lines(plan: Plan) -> Iterator[str]:
    """The plan as `table.key = value` lines, which can be searched."""
    yield from _lines("", tree(plan))


def _lines(prefix: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, one in value.items():
            yield from _lines(f"{prefix}.{key}" if prefix else str(key), one)
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for at, one in enumerate(value):
            yield from _lines(f"{prefix}[{at}]", one)
    else:
        yield f"{prefix} = {_spelled(value)}"


def _spelled(value: Any) -> str:
    if value is None:
        return "(not set)"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _value(value: Any) -> Any:
    if isinstance(value, Template):
        return value.text
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _field(one.name, getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _field(str(key), one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_value(one) for one in value]
    return value.value if isinstance(value, Enum) else value


def _field(name: str, value: Any) -> Any:
    if name in _SECRET and value:
        return "(set, not shown)"
    if isinstance(value, str) and "://" in value:
        return without_password(value)
    return _value(value)


def without_password(url: str) -> str:
    """`url` with any password in it replaced."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:***@{host}"))
