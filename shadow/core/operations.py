"""What each normalisation does to the pair of values at one place; MISSING stands where a side has none.

An operation leaves what it cannot read: then the values differ, and somebody sees it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any, TypeAlias

from shadow.core.differences import MISSING
from shadow.core.json_text import Json, Normalised, NumberText, canonical

Pair: TypeAlias = tuple[Json, Json]
Operation: TypeAlias = Callable[[Json, Json], Pair]
Zones: TypeAlias = Callable[[str], tzinfo]

_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2}(?:\.\d{1,6})?)?\s?(Z|z|[+-]\d{2}:?\d{2})?\Z", re.ASCII
)
_DECIMAL = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?\Z", re.ASCII)


def _each(change: Callable[[Json], Json]) -> Operation:
    """An operation that treats both sides alike, each by itself; what it cannot read it leaves."""

    def operation(old: Json, new: Json) -> Pair:
        return change(old), change(new)

    return operation


def _drop(_args: Mapping[str, Any], _zones: Zones) -> Operation:
    return lambda _old, _new: (MISSING, MISSING)


def _rename_operation(_args: Mapping[str, Any], _zones: Zones) -> Operation:
    return lambda old, new: (old, new)  # it needs the parents: see _rename


def _null_absent(_args: Mapping[str, Any], _zones: Zones) -> Operation:
    return _each(lambda value: MISSING if value is None else value)


def _instant(args: Mapping[str, Any], zones: Zones) -> Operation:
    naive = zones(str(args["naive"])) if args.get("naive") else None

    def change(value: Json) -> Json:
        found = _INSTANT.match(value) if isinstance(value, str) else None
        if found is None or not (found[4] or naive):
            return value
        try:
            when = datetime.fromisoformat(f"{found[1]}T{found[2]}{found[3] or ''}{(found[4] or '').upper()}")
            aware = when if when.tzinfo else when.replace(tzinfo=naive)
            return Normalised(f"instant:{aware.astimezone(UTC).isoformat()}")
        except (ValueError, OverflowError):
            return value

    return _each(change)


def _decimal(value: Json) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = value if isinstance(value, str) else repr(value)
    return Decimal(text) if _DECIMAL.match(text) else None


def _tolerance(args: Mapping[str, Any], _zones: Zones) -> Operation:
    absolute = Decimal(repr(args.get("abs", 0)))
    relative = Decimal(repr(args.get("rel", 0)))

    def operation(old: Json, new: Json) -> Pair:
        if _is_plain_text(old) or _is_plain_text(new):
            return old, new
        left, right = _decimal(old), _decimal(new)
        if left is None or right is None:
            return old, new
        near = abs(left - right) <= max(absolute, relative * max(abs(left), abs(right)))
        return (old, old) if near else (old, new)

    return operation


def _is_plain_text(value: Json) -> bool:
    return isinstance(value, str) and not isinstance(value, NumberText)


def _decimal_string(_args: Mapping[str, Any], _zones: Zones) -> Operation:
    def change(value: Json) -> Json:
        number = _decimal(value)
        if number is None:
            return value
        sign, digits, exponent = number.as_tuple()
        # By hand: Decimal.normalize() rounds to 28 digits, and two different numbers would be equal.
        text = "".join(map(str, digits)).lstrip("0")
        kept = text.rstrip("0")
        # Digits and exponent rather than a plain spelling: "1e999" would have a thousand zeros.
        power = int(exponent) + len(text) - len(kept)
        return Normalised(f"decimal:{'-' * sign}{kept}e{power}" if kept else "decimal:0")

    return _each(change)


def _set_operation(_args: Mapping[str, Any], _zones: Zones) -> Operation:
    return _each(lambda value: _sorted(value, canonical))


def _pair_by(args: Mapping[str, Any], _zones: Zones) -> Operation:
    key = str(args["key"])

    def rank(item: Json) -> bytes:
        return b"0" + canonical(item[key]) if isinstance(item, dict) and key in item else b"1"

    return _each(lambda value: _sorted(value, rank))


def _sorted(value: Json, rank: Callable[[Json], bytes]) -> Json:
    return sorted(value, key=rank) if isinstance(value, list) else value


def _url_base(args: Mapping[str, Any], _zones: Zones) -> Operation:
    def strip(value: Json, base: str) -> Json:
        base = base.rstrip("/")
        if not isinstance(value, str) or not value.startswith(base):
            return value
        rest = value[len(base) :]
        # By segment, never by prefix: http://shop says nothing about http://shopping.
        return Normalised(f"url:{rest}") if rest[:1] in ("", "/", "?", "#") else value

    def operation(old: Json, new: Json) -> Pair:
        return strip(old, str(args["legacy"])), strip(new, str(args["extracted"]))

    return operation


OPERATIONS: Mapping[str, Callable[[Mapping[str, Any], Zones], Operation]] = {
    "rename": _rename_operation,
    "drop": _drop,
    "instant": _instant,
    "tolerance": _tolerance,
    "decimal_string": _decimal_string,
    "null_absent": _null_absent,
    "set": _set_operation,
    "pair_by": _pair_by,
    "url_base": _url_base,
}
