"""Values and keys between Python and PostgreSQL: decoded by declared type, sent as text and cast there.

Text and a cast take every type (arrays, enums, domains) one way, and an array of texts per column makes one
statement of any number of rows.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg.adapt import Buffer, Loader

from sync.core.values import Key, Value

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


class _Plain(Loader):
    def load(self, data: Buffer) -> str:
        return _text(data)


def teach(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Make this connection answer with our values."""
    for name, loader in (
        *((each, _Moment) for each in ("timestamp", "timestamptz")),
        ("date", _Day),
        *((each, _Plain) for each in ("interval", "inet", "cidr", "time", "timetz")),
    ):
        connection.adapters.register_loader(name, loader)


def encoded(value: Value, type_name: str) -> str | None:
    """The text that `value::type_name` reads back; ValueError for what has none."""
    if value is None:
        return None
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
            return value.hex if type_name == "bpchar" else str(value)
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
    def item(value: Value) -> str:
        if isinstance(value, list | tuple):
            return _array(value, type_name)
        text = encoded(value, type_name)
        if text is None:
            return "NULL"
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    return "{" + ",".join(map(item, values)) + "}"


def digits_as_uuid(value: Value) -> Value:
    """CHAR(32) with 32 hex digits is how SQLAlchemy keeps a UUID where it has no type for it."""
    if isinstance(value, str) and len(value) == 32 and _HEX.issuperset(value):
        return uuid.UUID(value)
    return value


# -- keys ------------------------------------------------------------------------------------------


def key_text(key: Key) -> str:
    """The key as our tables spell it; what the triggers write with json_build_array."""
    return json.dumps([each if isinstance(each, int) else str(each) for each in key], ensure_ascii=False)


def hex_key_text(key: Key, types: Sequence[str]) -> str:
    """As the triggers of a table spell it whose UUIDs are CHAR(32)."""
    parts = [
        each.hex if isinstance(each, uuid.UUID) and name == "bpchar" else each
        for each, name in zip(key, types, strict=True)
    ]
    return key_text(tuple(parts))


def key_of(text: str, types: Sequence[str] = ()) -> Key:
    """The key that was written; `types` tells UUIDs from text. Without types: what looks like one is one."""
    parts = json.loads(text)
    if not types:
        return tuple(_as_uuid(each) for each in parts)
    return tuple(_as_type(each, name) for each, name in zip(parts, types, strict=True))


def _as_uuid(part: int | str) -> int | str | uuid.UUID:
    if isinstance(part, str) and len(part) == 36 and part.count("-") == 4:
        try:
            return uuid.UUID(part)
        except ValueError:
            return part
    return part


def _as_type(part: int | str, type_name: str) -> int | str | uuid.UUID:
    if type_name == "uuid":
        return uuid.UUID(str(part))
    if type_name == "bpchar":
        return digits_as_uuid(part)  # type: ignore[no-any-return]
    return part
