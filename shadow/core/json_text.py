"""JSON as evidence: what two parsers could disagree on stays visible.

Python's `==` takes 1, 1.0 and true for equal, most parsers take the last of two equal keys, and doubles
swallow long digits (orjson takes 30-digit integers for equal when their last digit differs). So: numbers of
more than 15 digits stay text, a duplicate key makes a body unparseable, and equality is that of canonical
bytes.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import orjson

Json = Any
"""What `parse` returns: dict, list, str, int, float, bool, None, or NumberText for long numbers."""

_MAX_DIGITS = 15  # every decimal of up to 15 digits survives a double (IEEE 754 binary64)
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
_NUMBER_TEXT = re.compile(r"-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?\Z")


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
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unparseable(str(error)) from None
    return value if _is_plain(body, value) else _parse_carefully(body)


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


def _is_plain(body: bytes, value: Json) -> bool:
    """Whether no number is long and no key was dropped as a duplicate."""
    shape = body.translate(_SHAPE)
    if b"0" * (_MAX_DIGITS + 1) in shape or b"0e000" in shape or b"0e+000" in shape:
        return False
    # A colon is written as itself or as \u003a; so with none of the latter, each dropped pair misses a colon.
    if b"\\u003" in body:
        return False
    try:
        return body.count(b":") == canonical(value).count(b":")
    except TooDeep:
        return False


def _parse_carefully(body: bytes) -> Json:
    try:
        return json.loads(
            body,
            object_pairs_hook=_object,
            parse_int=_number(int),
            parse_float=_number(float),
            parse_constant=_refuse,
        )
    except (ValueError, RecursionError) as error:
        raise Unparseable(str(error)) from None


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("an object has the same key twice")
    return value


def _number(kind: type[int] | type[float]) -> Any:
    def read(text: str) -> int | float | NumberText:
        found = _NUMBER_TEXT.match(text)
        whole, fraction, exponent = found.groups() if found else (text, None, None)
        digits = len(whole) + len(fraction or "")
        if digits > _MAX_DIGITS or len((exponent or "").lstrip("+-")) > 2:
            return NumberText(text)
        return kind(text)

    return read


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
