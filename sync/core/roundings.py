"""Columns that store a value as another one without a word: numbers, times and texts that are cut to a type.

What a database refuses waits in quarantine. What it rounds arrives, and verify tells of it each time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sync.core.audit import Finding
from sync.core.values import Side

_WRITTEN = re.compile(r"([a-z_0-9 ]+?)\s*(?:\((\d+)\s*(?:,\s*(-?\d+)\s*)?\))?(\s+with(?:out)? time zone)?")
_WHOLE = {"smallint": 5, "int2": 5, "integer": 10, "int": 10, "int4": 10, "bigint": 19, "int8": 19}
_SINGLE, _DOUBLE = 6, 15  # decimal digits that come back from a float of 4 and of 8 bytes
_FLOATS = {"float4": _SINGLE, "float8": _DOUBLE, "double precision": _DOUBLE, "double": _DOUBLE}
_DECIMALS = frozenset({"numeric", "decimal"})
_TIMES = frozenset({"timestamp", "timestamptz", "datetime", "time", "timetz", "interval"})
_MICROSECONDS = 6
_TEXTS = frozenset({"text", "character varying", "varchar", "character", "char", "citext", "clob"})
_UUID = 32  # digits: such a column is always full


@dataclass(frozen=True, slots=True)
class Typed:
    """A column as one side's database has it; `type` is its own name of it, in lower case."""

    engine: str
    table: str
    name: str
    type: str


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    size: int | None
    scale: int | None
    strict: bool  # the type's numbers are rules: SQLite's are decoration


def rounding(side: Side, source: Typed, target: Typed) -> Finding | None:
    """What is said when `target`, on `side`, may store what `source` holds as another value."""
    why = loss(source, target)
    if not why:
        return None
    return Finding(
        "rounding",
        f"{target.table}.{target.name}",
        f"its type {target.type} {why}, and {source.table}.{source.name} of the {side.other} side is "
        f"{source.type}: such a value is stored as another one, and verify tells of it again and again",
        "give both sides one type, or let the mapping give what this one keeps",
        fatal=False,
    )


def loss(source: Typed, target: Typed) -> str:
    """What `target` does to some values of `source`; "" when it keeps or refuses each."""
    given, kept = _kind(source), _kind(target)
    if kept.name in _TIMES:
        return _of_times(given, kept)
    if kept.strict and kept.name == "character" and kept.size is not None:
        return _of_texts(given, kept.size)
    digits = _float_digits(kept)
    if digits is not None:
        return f"keeps {digits} digits" if _digits(given) > digits else ""
    scale = _scale_kept(kept)
    return f"rounds to {scale} decimals" if scale is not None and _decimals(given) > scale else ""


def _kind(column: Typed) -> _Kind:
    found = _WRITTEN.fullmatch(" ".join(column.type.lower().split()))
    name, size, scale, _ = found.groups() if found else (column.type, None, None, None)
    numbers = [None if each is None else int(each) for each in (size, scale)]
    return _Kind(name, numbers[0], numbers[1], column.engine != "sqlite")


def _float_digits(kind: _Kind) -> int | None:
    if kind.name in ("real", "float"):  # SQLite has one of 8 bytes alone
        return _SINGLE if kind.strict and kind.name == "real" else _DOUBLE
    return _FLOATS.get(kind.name)


def _scale_kept(kind: _Kind) -> int | None:
    """The decimals that a number is rounded to; None: it is not."""
    if kind.strict and kind.name == "money":
        return 2
    if kind.strict and kind.name in _DECIMALS and kind.size is not None:
        return kind.scale or 0
    return None


def _digits(kind: _Kind) -> float:
    """How many digits a value may have; 0 for what is no number."""
    floating = _float_digits(kind)
    if floating is not None:
        return floating
    if kind.name in _DECIMALS:
        if not kind.strict:
            return _DOUBLE  # what SQLite makes of it
        return float("inf") if kind.size is None else kind.size
    return _WHOLE.get(kind.name, 0)


def _decimals(kind: _Kind) -> float:
    """How many digits behind the point; 0 for what is whole, or no number."""
    if kind.name in _WHOLE or not _digits(kind):
        return 0
    scale = _scale_kept(kind)
    return float("inf") if scale is None else scale


def _of_times(given: _Kind, kept: _Kind) -> str:
    """Every engine here knows microseconds, and SQLite's types cut nothing."""
    if not kept.strict or kept.size is None or given.name not in _TIMES:
        return ""
    finest = given.size if given.strict and given.size is not None else _MICROSECONDS
    return f"rounds to {kept.size} digits of a second" if finest > kept.size else ""


def _of_texts(given: _Kind, length: int) -> str:
    filled = (
        given.name in ("character", "char") and given.size == length and (given.strict or length == _UUID)
    )
    if filled or given.name not in _TEXTS:
        return ""
    return f"fills texts up with spaces to {length}"
