"""Values of single columns across the seam: each conversion gives back what it was given, or refuses it.

Which exist, and what they are for, says `migration.core.conversions`. A database's null stays null.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from sync.core.values import Value

_INT64 = 2**63 - 1
_UUID_INT = 2**62  # what RFC 9562 leaves of a version 8 UUID below its variant
_BROKEN = (ArithmeticError, InvalidOperation, TypeError, ValueError, RecursionError, AttributeError)


def _itself(value: Value) -> Value:
    return value


@dataclass(frozen=True, slots=True)
class Conversion:
    """`forward` makes the service's value of legacy's, `backward` the other way; ValueError: has none.

    Both are exact: what comes back from the other side is what went there, or nothing goes. Two values of
    legacy of one `meaning` are spelled differently and need no correction.
    """

    name: str
    forward: Callable[[Value], Value]
    backward: Callable[[Value], Value]
    meaning: Callable[[Value], Value] = _itself


def conversion(declared: str, *, exact: bool = False) -> Conversion:
    """The conversion that a column declares; `exact`: legacy's column is a decimal number, no float."""
    name, _, argument = declared.partition(":")
    if name == "same":
        return Conversion(declared, _itself, _itself)
    there, back = _pair(name, argument, exact)
    meaning = _to_json if name == "json" else _itself
    return Conversion(declared, _proven(declared, there, back), _proven(declared, back, there), meaning)


def _pair(name: str, argument: str, exact: bool) -> tuple[Callable[[Value], Value], Callable[[Value], Value]]:
    if name == "cents":
        return _to_cents, _from_cents_exactly if exact else _from_cents
    if name == "decimal":
        return _number, _number if exact else float
    if name == "instant":
        return _instants(ZoneInfo(argument))
    if name == "uuid":
        return _uuids(argument)
    if name == "json":
        return _to_json, _from_json
    if name == "list":
        return _to_list, _from_list
    raise ValueError(f"{name!r} is no conversion")


def _proven(
    declared: str, go: Callable[[Value], Value], come: Callable[[Value], Value]
) -> Callable[[Value], Value]:
    """`go`, but only for values that `come` brings back: a lossy conversion would lose on a rollback."""

    def convert(value: Value) -> Value:
        if value is None:
            return None
        try:
            there = go(value)
            again = come(there)
        except _BROKEN as error:
            raise ValueError(f"{_shown(value)} cannot be converted by {declared!r}: {error}") from None
        other = type(again) is not type(value)
        if again != value or (other and (isinstance(value, bool) or go(again) != there)):
            raise ValueError(f"{_shown(value)} would come back from {declared!r} as {_shown(again)}")
        return there

    return convert


def _shown(value: Value) -> str:
    said = repr(value)
    return said if len(said) <= 60 else said[:57] + "..."


def _number(value: Value) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise TypeError("it is no number")
    # repr of a float is the shortest decimal that reads back as this very float.
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        raise ValueError("it is no finite number")
    return number


def _to_cents(value: Value) -> int:
    cents = _number(value) * 100
    if cents != cents.to_integral_value() or abs(cents) > _INT64:
        raise ValueError("it is no whole number of hundredths")
    return int(cents)


def _from_cents_exactly(value: Value) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("it is no whole number")
    return Decimal(value).scaleb(-2)


def _from_cents(value: Value) -> float:
    return float(_from_cents_exactly(value))


def _instants(zone: ZoneInfo) -> tuple[Callable[[Value], Value], Callable[[Value], Value]]:
    def there(value: Value) -> datetime:
        if not isinstance(value, datetime) or value.tzinfo is not None:
            raise TypeError("it is no local time without a zone")
        return value.replace(tzinfo=zone, fold=0).astimezone(UTC)

    def back(value: Value) -> datetime:
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise TypeError("it is no instant with a zone")
        return value.astimezone(zone).replace(tzinfo=None, fold=0)

    return there, back


def _uuids(kind: str) -> tuple[Callable[[Value], Value], Callable[[Value], Value]]:
    # The upper half names the kind, so that the numbers of two tables never meet in one UUID.
    digest = int.from_bytes(hashlib.sha256(kind.encode()).digest()[:8], "big")
    upper = (digest & ~0xF000) | 0x8000  # version 8, RFC 9562, section 5.8
    head = (upper << 64) | (0b10 << 62)

    def there(value: Value) -> uuid.UUID:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _UUID_INT:
            raise TypeError("it is no whole number from 0 to 2**62")
        return uuid.UUID(int=head | value)

    def back(value: Value) -> int:
        number = value.int - head
        if not 0 <= number < _UUID_INT:
            raise ValueError(f"it is no UUID of the kind {kind!r}")
        return int(number)

    return there, back


def _to_json(value: Value) -> Value:
    found = json.loads(value, parse_constant=_no_constant)
    if found is None:
        raise ValueError("it is JSON's null, and would come back as the column's")
    return found


def _no_constant(name: str) -> Value:
    raise ValueError(f"{name} is no JSON")


def _from_json(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _to_list(value: Value) -> list[str]:
    if not isinstance(value, str):
        raise TypeError("it is no text")
    return value.split(",") if value else []


def _from_list(value: Value) -> str:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise TypeError("it is no list of texts")
    return ",".join(value)
