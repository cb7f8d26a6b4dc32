"""Values between Python and PostgreSQL: decoded by declared type, sent as text and cast there.

Text and a cast take every type (arrays, enums, domains) one way, and an array of texts per column makes one
statement of any number of rows.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.adapt import Buffer, Loader
from psycopg.types.json import set_json_loads

from sync.core.nesting import DEEPEST, too_deep
from sync.core.sizes import LARGEST, too_large
from sync.core.values import Unreadable, Value

TEXTS = frozenset({"text", "varchar", "bpchar", "citext", "name"})
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


_KINDS = ("int4", "int8", "num", "date", "ts", "tstz")
_RANGES = tuple(f"{kind}{form}" for kind in _KINDS for form in ("range", "multirange"))


def teach(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Make this connection answer with our values."""
    loaders: tuple[tuple[str, Any], ...] = (
        *((each, _Moment) for each in ("timestamp", "timestamptz")),
        *((each, _Float) for each in ("float4", "float8")),
        ("numeric", _Decimal),
        ("date", _Day),
        *((each, _Plain) for each in ("interval", "inet", "cidr", "time", "timetz", *_RANGES)),
    )
    for name, loader in loaders:
        connection.adapters.register_loader(name, loader)
    set_json_loads(_json, connection)


def _json(data: str | bytes) -> Any:
    text = data if isinstance(data, str) else data.decode()
    try:
        return Unreadable(text) if too_deep(text) else json.loads(text)
    except (RecursionError, ValueError):  # nested too deep, or a number of thousands of digits
        return Unreadable(text)


def encoded(value: Value, type_name: str) -> str | None:
    """The text that `value::type_name` reads back; ValueError for what has none, or would become another."""
    if value is None:
        return None
    if isinstance(value, Unreadable):
        raise ValueError(f"it holds {value.why}: correct the value, or map it to one that can be stored")
    if type_name in ("json", "jsonb"):
        return _spelled_json(value)
    spell = _SPELLED.get(value.__class__) or _of_a_subclass(value)
    return spell(value, type_name)


def _spelled_json(value: Value) -> str:
    try:
        said = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from error
    if too_deep(said):
        raise ValueError(f"JSON nested more than {DEEPEST} deep")
    _must_be_carried(len(said), "characters")
    return _sendable(said)


def _must_be_carried(size: int, what: str) -> None:
    """Spelling, sending and storing it would take longer than the lease may rest, for ever anew."""
    if size > LARGEST:
        raise ValueError(f"it holds {too_large(size, what)}: make it smaller, or keep it elsewhere")


def _spelled_text(value: str, type_name: str) -> str:
    _must_be_carried(len(value), "characters")
    if type_name == "bytea":
        raise ValueError("text does not fit a column of type bytea: give bytes")
    if "\x00" in value:
        raise ValueError("PostgreSQL's text cannot hold a NUL character: take it out, or store bytes")
    return _sendable(value)


def _sendable(text: str) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"half a surrogate pair at {error.start} of the text: no UTF-8 can hold it"
            ) from None
    return text


def _spelled_bytes(value: Any, type_name: str) -> str:
    if type_name in TEXTS:
        raise ValueError(f"bytes do not fit a column of type {type_name}: decode them to text")
    _must_be_carried(len(value), "bytes")
    return "\\x" + bytes(value).hex()


def _spelled_bool(value: bool, type_name: str) -> str:
    if type_name in TEXTS:
        raise ValueError(f"{value} does not fit a column of type {type_name}: give text")
    return "t" if value else "f"


def _spelled_moment(value: datetime, type_name: str) -> str:
    if type_name == "date":
        raise ValueError(f"{value.isoformat()} is no date: its time of day would be lost")
    if type_name == "timestamp" and value.tzinfo is not None:
        raise ValueError(f"{value.isoformat()} has a time zone, and the column keeps none: convert it first")
    if type_name == "timestamptz" and value.tzinfo is None:
        raise ValueError(f"{value.isoformat()} has no time zone: nobody could tell which moment it means")
    if value.tzinfo is not None and value.year in (MINYEAR, MAXYEAR):
        try:
            value.astimezone(UTC)
        except OverflowError as error:
            raise ValueError(
                f"{value.isoformat()} lies beyond the years that Python knows, in UTC"
            ) from error
    return value.isoformat(" ")


def _spelled_list(value: Iterable[Value], type_name: str) -> str:
    try:
        return _array(value, type_name.removesuffix("[]").removeprefix("_"))
    except RecursionError as error:
        raise ValueError("a list nested too deep") from error


def _plainly(value: Any, _type_name: str) -> str:
    return str(value)


_SPELLED: dict[type, Callable[[Any, str], str]] = {
    str: _spelled_text,
    int: _plainly,
    uuid.UUID: _plainly,
    Decimal: _plainly,
    float: lambda value, _: repr(value),
    bool: _spelled_bool,
    datetime: _spelled_moment,
    date: lambda value, _: value.isoformat(),
    time: lambda value, _: value.isoformat(),
    bytes: _spelled_bytes,
    bytearray: _spelled_bytes,
    memoryview: _spelled_bytes,
    list: _spelled_list,
    tuple: _spelled_list,
}
_PLAIN_OF = {str: str.__str__, int: int.__int__, float: float.__float__}


def _of_a_subclass(value: Any) -> Callable[[Any, str], str]:
    """An enum of texts or integers is one; any other object is no value, whatever `str` makes of it."""
    for known, plain in _PLAIN_OF.items():
        if isinstance(value, known):
            return lambda value, type_name: _SPELLED[known](plain(value), type_name)
    kind = type(value).__name__
    raise ValueError(
        f"a {kind} is no value of a column: give text, a number, a date, bytes, a UUID or a list"
    )


def _array(values: Iterable[Value], type_name: str) -> str:
    """An array's own literal; nested arrays are braces without quotes."""
    items = list(values)
    if any(isinstance(each, list | tuple) for each in items):
        return "{" + ",".join(_array(each, type_name) for each in items) + "}"
    return array_of(encoded(each, type_name) for each in items)


def array_of(texts: Iterable[str | None]) -> str:
    """The texts as one `text[]`; several times faster than the driver's list, which was most of a round."""
    found = list(texts)
    if found and None not in found:
        joined = "\x00".join(found)  # type: ignore[arg-type]  # quoted in one go: a text in it has no NUL
        if joined.count("\x00") == len(found) - 1:
            quoted = joined.replace("\\", "\\\\").replace('"', '\\"')
            return '{"' + quoted.replace("\x00", '","') + '"}'
    items = [
        "NULL" if text is None else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        for text in found
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
