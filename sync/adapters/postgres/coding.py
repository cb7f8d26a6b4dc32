"""Values between Python and PostgreSQL: decoded by declared type, sent as text and cast there.

Text and a cast take every type (arrays, enums, domains) one way, and an array of texts per column makes one
statement of any number of rows.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.adapt import Buffer, Loader
from psycopg.types.json import set_json_loads

from sync.core.values import Unreadable, Value

_HEX = frozenset("0123456789abcdefABCDEF")


def _text(data: Buffer) -> str:
    return bytes(data).decode()


class _Moment(Loader):
    """timestamp and timestamptz; what Python has no datetime for (infinity, 20000 BC) stays text."""

    def load(self, data: Buffer) -> datetime | str:
        text = _text(data)
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return text


class _Day(Loader):
    def load(self, data: Buffer) -> date | str:
        text = _text(data)
        try:
            return date.fromisoformat(text)
        except ValueError:
            return text


# One object each: `==` of rows looks at identity first, and no NaN equals another.
_NAN = float("nan")
_DECIMAL_NAN = Decimal("NaN")


class _Float(Loader):
    def load(self, data: Buffer) -> float:
        value = float(bytes(data))
        return value if value == value else _NAN


class _Decimal(Loader):
    def load(self, data: Buffer) -> Decimal:
        value = Decimal(_text(data))
        return value if value.is_finite() or not value.is_nan() else _DECIMAL_NAN


class _Plain(Loader):
    def load(self, data: Buffer) -> str:
        return _text(data)


def teach(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Make this connection answer with our values."""
    loaders: tuple[tuple[str, Any], ...] = (
        *((each, _Moment) for each in ("timestamp", "timestamptz")),
        *((each, _Float) for each in ("float4", "float8")),
        ("numeric", _Decimal),
        ("date", _Day),
        *((each, _Plain) for each in ("interval", "inet", "cidr", "time", "timetz")),
    )
    for name, loader in loaders:
        connection.adapters.register_loader(name, loader)
    set_json_loads(_json, connection)


def _json(data: str | bytes) -> Any:
    try:
        return json.loads(data)
    except (RecursionError, ValueError):  # nested too deep, or a number of thousands of digits
        return Unreadable(data if isinstance(data, str) else data.decode())


def encoded(value: Value, type_name: str) -> str | None:
    """The text that `value::type_name` reads back; ValueError for what has none."""
    if value is None:
        return None
    if isinstance(value, Unreadable):
        raise ValueError("the JSON of the other side cannot be read: nested too deep, or too many digits")
    if type_name in ("json", "jsonb"):
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    match value:
        case bool():
            return "t" if value else "f"
        case str():
            return _without_nul(value)
        case bytes() | bytearray() | memoryview():
            return "\\x" + bytes(value).hex()
        case datetime():
            return value.isoformat(" ")
        case uuid.UUID():
            return str(value)
        case float():
            return repr(value)
        case list() | tuple():
            return _array(value, type_name.removesuffix("[]"))
        case dict():
            raise ValueError(f"an object does not fit a column of type {type_name}")
    return str(value)


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("PostgreSQL's text cannot hold a NUL character")
    return text


def _array(values: Iterable[Value], type_name: str) -> str:
    """An array's own literal; nested arrays are braces without quotes."""
    items = list(values)
    if any(isinstance(each, list | tuple) for each in items):
        return "{" + ",".join(_array(each, type_name) for each in items) + "}"
    return array_of(encoded(each, type_name) for each in items)


def array_of(texts: Iterable[str | None]) -> str:
    """The texts as one `text[]`; several times faster than the driver's list, which was most of a round."""
    items = [
        "NULL" if text is None else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        for text in texts
    ]
    return "{" + ",".join(items) + "}"


def digits_as_uuid(value: Value) -> Value:
    """CHAR(32) with 32 hex digits is how SQLAlchemy keeps a UUID where it has no type for it."""
    if isinstance(value, str) and len(value) == 32 and _HEX.issuperset(value):
        return uuid.UUID(value)
    return value


def trigger_text(parts: Iterable[int | str]) -> str:
    """A key as our triggers spell it with json_build_array, which puts a space after the comma."""
    return json.dumps(list(parts), ensure_ascii=False)
