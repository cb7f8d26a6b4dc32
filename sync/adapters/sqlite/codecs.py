"""What a column's declared type makes of a stored value, and back.

A value whose storage class does not fit the declared type is given as it is stored: SQLite allows it, and a
mapping or verify has to see it. What has no spelling in a column of that type raises ValueError.
"""

from __future__ import annotations

import functools
import json
import re
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from sync.core.keys import uuid_of
from sync.core.nesting import DEEPEST, too_deep
from sync.core.values import Unreadable

Decoder = Callable[[Any], Any]
Encoder = Callable[[Any], Any]

_KNOWN = 32_768  # UUIDs kept parsed: a round meets each of its keys several times
_HEX = 32  # digits of a UUID without hyphens: CHAR(32) is what SQLAlchemy and Django make of one
_DIGITS = re.compile(r"[0-9a-fA-F]{32}").fullmatch
PLAIN = frozenset({int, float, str, bytes})
_SMALLEST, _GREATEST = -(2**63), 2**63 - 1


def decoder(declared: str) -> Decoder | None:
    """What reads a value (never None) of that declared type; None: it is given as stored."""
    kind = _kind(declared)
    return _DECODERS.get(kind)


def encoder(declared: str) -> Encoder:
    """What spells a value (never None) for a column of that declared type; raises ValueError."""
    special = _ENCODERS.get(_kind(declared), {})

    def encode(value: Any) -> Any:
        if value.__class__ in PLAIN:
            return value if value.__class__ is str else _fitting(value)
        if value.__class__ is uuid.UUID and uuid.UUID in special:
            return special[uuid.UUID](value)
        for known, spell in special.items():
            if isinstance(value, known):
                try:
                    return _fitting(spell(value))
                except ArithmeticError as error:  # the year 0, an infinite number of units
                    raise ValueError(f"{value} cannot be stored as {declared}: {error}") from error
        if isinstance(value, Unreadable):
            raise ValueError(f"it holds {value.why}: correct the value, or map it to one that can be stored")
        raise ValueError(
            f"a {type(value).__name__} cannot be stored in a column of type {declared or 'none'}"
        )

    return encode if _kind(declared) != "json" else _spell_json


def _fitting(value: Any) -> Any:
    if value.__class__ is int and not _SMALLEST <= value <= _GREATEST:
        raise ValueError(f"{value} does not fit into 64 bits")
    if value != value:
        raise ValueError("NaN cannot be stored: SQLite makes NULL of it")
    return value


def _kind(declared: str) -> str:
    name = " ".join(declared.lower().split())
    if "bool" in name:
        return "boolean"
    if name.startswith("uuid") or name.replace(" ", "") == "char(32)":
        return "uuid"
    if "json" in name:
        return "json"
    if name.startswith(("timestamptz", "timestamp with time zone")):
        return "instant"
    if name.startswith(("datetime", "timestamp")):
        return "datetime"
    if name.startswith("date"):
        return "date"
    return _affinity(name)


def _affinity(name: str) -> str:
    if "int" in name:
        return "integer"
    if any(part in name for part in ("char", "clob", "text")):
        return "text"
    if "blob" in name or not name:
        return "blob"
    if any(part in name for part in ("real", "floa", "doub")):
        return "real"
    return "numeric"


_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII).fullmatch


def is_number(text: str) -> bool:
    """Whether a column of numbers makes a number of this text (datatype3.html §3)."""
    return _NUMBER(text) is not None


def affinity(declared: str) -> str:
    """SQLite's affinity of the declared type: integer, text, blob, real or numeric."""
    return _affinity(" ".join(declared.lower().split()))


def _to_bool(value: Any) -> Any:
    return bool(value) if value in (0, 1) and isinstance(value, int) else value


@functools.lru_cache(maxsize=_KNOWN, typed=True)
def _to_uuid(value: Any) -> Any:
    if isinstance(value, str) and len(value) in (_HEX, _HEX + 4):
        if _DIGITS(value):  # nearly always
            return uuid_of(int(value, 16))
        with suppress(ValueError):
            return uuid.UUID(value)
    return value


def _to_decimal(value: Any) -> Any:
    if isinstance(value, int | float | str):
        with suppress(InvalidOperation):
            number = Decimal(repr(value) if isinstance(value, float) else value)
            return value if number.is_snan() else number  # a signalling NaN raises when it is compared
    return value


def _to_json(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return Unreadable(value) if too_deep(value) else json.loads(value)
        except RecursionError:
            return Unreadable(value)
        except ValueError:
            return value
    return value


def _to_datetime(value: Any) -> Any:
    if isinstance(value, str):
        with suppress(ValueError):
            moment = datetime.fromisoformat(value)
            return value if moment.tzinfo else moment
    return value


def _to_instant(value: Any) -> Any:
    if isinstance(value, str):
        with suppress(ValueError, OverflowError):  # beyond Python's years: as it is stored
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return value


def _to_date(value: Any) -> Any:
    if isinstance(value, str):
        with suppress(ValueError):
            return date.fromisoformat(value)
    return value


_DECODERS: dict[str, Decoder] = {
    "boolean": _to_bool,
    "uuid": _to_uuid,
    "numeric": _to_decimal,
    "json": _to_json,
    "datetime": _to_datetime,
    "instant": _to_instant,
    "date": _to_date,
}


def _spell_json(value: Any) -> str:
    if isinstance(value, Unreadable):
        raise ValueError(f"it holds {value.why}: correct the value, or map it to one that can be stored")
    try:
        said = json.dumps(value, allow_nan=False)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from error
    if too_deep(said):
        raise ValueError(f"JSON nested more than {DEEPEST} deep")
    return said


def _spell_datetime(value: datetime) -> str:
    if value.tzinfo is not None:
        raise ValueError(f"{value.isoformat()} has a time zone, and the column keeps none")
    return value.isoformat(" ", "microseconds")  # as SQLAlchemy writes it


def _spell_instant(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError(f"{value.isoformat()} has no time zone: nobody could tell which moment it means")
    return value.astimezone(UTC).isoformat(" ", "microseconds")


def _spell_date(value: date) -> str:
    if isinstance(value, datetime):
        raise ValueError(f"{value.isoformat()} is no date without a time of day")
    return value.isoformat()


def _whole(value: Decimal) -> int:
    if value != value.to_integral_value():
        raise ValueError(f"{value} is no whole number")
    return int(value)


def _exact(value: Decimal) -> int | float:
    """The number that NUMERIC affinity would make of it, if it keeps every digit (datatype3.html §3)."""
    if value.is_nan():
        raise ValueError(f"{value} is no number to SQLite")
    if value == value.to_integral_value() and _SMALLEST <= value <= _GREATEST:
        return int(value)
    number = float(value)
    if Decimal(repr(number)) != value:
        raise ValueError(f"{value} has more digits than SQLite keeps")
    return number


_ENCODERS: dict[str, dict[type, Encoder]] = {
    "boolean": {bool: int},
    "integer": {bool: int, Decimal: _whole},
    "real": {bool: int, Decimal: float},
    "numeric": {bool: int, Decimal: _exact},
    "uuid": {uuid.UUID: lambda value: value.hex},
    "text": {uuid.UUID: str, Decimal: str, time: time.isoformat},
    "datetime": {datetime: _spell_datetime},
    "instant": {datetime: _spell_instant},
    "date": {date: _spell_date},
    "blob": {bytearray: bytes, memoryview: bytes},
}
