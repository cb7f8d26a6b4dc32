"""JSON as evidence: what two parsers could disagree on stays visible.

Python's `==` takes 1, 1.0 and true for equal, most parsers take the last of two equal keys, and doubles
swallow long digits (orjson takes 30-digit integers for equal when their last digit differs). So: numbers of
more than 15 digits stay text, a duplicate key makes a body unparseable, and equality is that of canonical
bytes.
"""

from __future__ import annotations

import json
from typing import Any, Final

import orjson

Json = Any
"""What `parse` returns: dict, list, str, int, float, bool, None, or NumberText for long numbers."""

_MAX_DIGITS = 15  # every decimal of up to 15 digits survives a double (IEEE 754 binary64)
_MAX_POWER = 300  # of ten: within the normal doubles
_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_SUBCLASS

# Maps a body so that long digit runs and large exponents can be looked for at the speed of memchr.
_SHAPE = bytes.maketrans(
    bytes(range(256)),
    bytes(
        0x30
        if chr(code) in "0123456789."
        else 0x65
        if chr(code) in "eE"
        else 0x2B
        if chr(code) in "+-"
        else 0x20
        for code in range(256)
    ),
)


class Unparseable(Exception):
    """The body is no JSON that two parsers would agree on; the message says why."""


class TooDeep(Exception):
    """The value is nested deeper than it can be written back."""


class NumberText(str):
    """A number whose digits would not survive a double, as its text."""

    __slots__ = ()


class Normalised(str):
    """What a rule made of a value, as `operation:text`; no body can hold one, so none can pass for it."""

    __slots__ = ()


def parse(body: bytes) -> Json:
    """The value of a JSON body; Unparseable says what is wrong with it."""
    return read(body)[0]


def read(body: bytes) -> tuple[Json, bytes | None]:
    """The value of a JSON body with its canonical bytes; None where it is too deep to be written."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unparseable(str(error)) from None
    text = _canonical_or_none(value)
    if text is not None and _is_plain(body, text):
        return value, text
    value = _parse_carefully(body)
    return value, _canonical_or_none(value)


def canonical(value: Json) -> bytes:
    """The one spelling of a value: sorted keys, no blanks. TooDeep beyond about 250 levels."""
    try:
        return orjson.dumps(value, default=_as_fragment, option=_OPTIONS)
    except orjson.JSONEncodeError:
        raise TooDeep from None


def _as_fragment(value: object) -> orjson.Fragment:
    if isinstance(value, NumberText):
        return orjson.Fragment(value.encode())
    if isinstance(value, Normalised):
        return orjson.Fragment(b"~" + orjson.dumps(str(value)))
    raise TypeError(type(value).__name__)


def _canonical_or_none(value: Json) -> bytes | None:
    try:
        return canonical(value)
    except TooDeep:
        return None


def _is_plain(body: bytes, text: bytes) -> bool:
    """Whether no number is long and no key was dropped as a duplicate; `text` is what was understood."""
    shape = body.translate(_SHAPE)
    if b"0" * (_MAX_DIGITS + 1) in shape or b"0e000" in shape or b"0e+000" in shape:
        return False
    # A colon is written as itself or as \u003a; so with none of the latter, each dropped pair misses a colon.
    return b"\\u003" not in body and body.count(b":") == text.count(b":")


def _parse_carefully(body: bytes) -> Json:
    try:
        return json.loads(
            body,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_refuse,
        )
    except (ValueError, RecursionError) as error:
        raise Unparseable(str(error)) from None


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("an object has the same key twice")
    return value


def _integer(text: str) -> int | NumberText:
    return int(text) if len(text.lstrip("-")) <= _MAX_DIGITS else NumberText(text)


def _float(text: str) -> float | NumberText:
    """A double where one holds the number exactly enough, else its digits and exponent."""
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    kept = digits.rstrip("0")
    # Printers spell the same number in several ways: 5.8e-05, 5.8E-5, 0.000058.
    power = int(exponent or "0") - len(fraction) + len(digits) - len(kept)
    if len(kept) <= _MAX_DIGITS and abs(power + len(kept)) <= _MAX_POWER:
        return float(text)
    return NumberText(f"{'-' * text.startswith('-')}{kept or 0}e{power}")


def _refuse(text: str) -> Json:
    raise ValueError(f"{text} is no JSON number")


def type_name(value: Json) -> str:
    """JSON's own name of a value's type; integers and other numbers are told apart."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, NumberText):
        return "number" if any(char in value for char in ".eE") else "integer"
    if isinstance(value, Normalised):
        return value.partition(":")[0]
    return _NAMES.get(type(value), "?")


_NAMES: Final[dict[type, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
}
