"""A key as text, the same wherever it is spelled: by a trigger of either engine, or here.

The text is a JSON array of the key's values (`[17]`, `["6f0d…"]`, `[17,"de"]`), a UUID in its usual form.
That text cannot say whether `"6f0d6f0c-59c3-…"` was a UUID or a string that looks like one, and the two sides
of a slice may well differ in this (`uuid` here, `varchar(36)` there). So every key that crosses a port is in
*normal form*: what reads as a UUID in its usual form is a UUID. Then text and key are one to one.
"""

from __future__ import annotations

import functools
import json
import re
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import orjson

from sync.core.values import Key, Odd

_USUAL_FORM = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_USUAL = re.compile(_USUAL_FORM).fullmatch
_UUID_LENGTH = 36
# What nearly all texts of keys are, read several times faster; the integer fits into 64 bits for certain.
_PLAIN = re.compile(rf'\[(?:(0|-?[1-9][0-9]{{0,17}})|"({_USUAL_FORM})")\]').fullmatch
_SMALLEST, _GREATEST = -(2**63), 2**63 - 1
_KNOWN = 32_768  # texts kept parsed: a round of 5,000 keys meets each of them several times
# What SQLite's json_array() writes: no spaces, nothing escaped that need not be.
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=str).encode
_decode = json.JSONDecoder().decode


def text(key: Key) -> str:
    """The canonical text: `parse(text(key)) == key` for every key in normal form."""
    if len(key) == 1:  # nearly all keys, and several times faster
        part = key[0]
        if type(part) is int:
            return f"[{part}]"
        if isinstance(part, uuid.UUID):
            return f'["{part}"]'
        if isinstance(part, Odd):
            return f'{{"odd":{part.spelled}}}'
    return _encode(key)


def texts(wanted: Collection[Key]) -> list[str]:
    """The text of each; what nearly all of them are without a call for each."""
    if wanted and set(map(len, wanted)) == {1}:
        parts = [key[0] for key in wanted]
        kinds = set(map(type, parts))
        if kinds == {int}:
            return [f"[{part}]" for part in parts]
        if kinds == {uuid.UUID}:
            return [f'["{part}"]' for part in spelled_uuids(parts)]
    return [text(key) for key in wanted]


def spelled_uuids(given: Sequence[Any]) -> list[str]:
    """`str` of each UUID, of which there is one at least: in one go, which takes a fifth of the time."""
    return orjson.dumps(given).decode()[2:-2].split('","')


def uuid_of(number: int) -> uuid.UUID:
    """`UUID(int=number)` without what it asks of its arguments, which takes three times as long.

    The caller knows that it is a number of 128 bits: it has read 32 digits.
    """
    made = object.__new__(uuid.UUID)
    _set_number(made, number)
    _set_safety(made, _SAFETY)
    return made


_set_number: Any = uuid.UUID.__dict__["int"].__set__
_set_safety: Any = uuid.UUID.__dict__["is_safe"].__set__
_SAFETY = uuid.SafeUUID.unknown  # looked up once: an enum's member is found by a call


@functools.lru_cache(maxsize=_KNOWN)
def parse(spelled: str) -> Key:
    """The key in normal form; ValueError for what is no key: a NULL, a fraction, a nested value."""
    plain = _PLAIN(spelled)
    if plain:
        number, digits = plain.groups()
        return (int(number) if number else uuid_of(int(digits.replace("-", ""), 16)),)
    values = _decode(spelled)
    if isinstance(values, dict) and values.keys() == {"odd"}:
        return odd(values["odd"])
    if not isinstance(values, list) or not values:
        raise ValueError(f"{spelled} is not the text of a key: it should be a JSON array of its values")
    return normal(values)


def normal(values: Iterable[Any]) -> Key:
    """The key with these values, in normal form; ValueError when one is no key's value."""
    return tuple(map(_normal, values))


def of(row: Mapping[str, Any], columns: Sequence[str]) -> Key:
    """The key of `row`, in normal form; KeyError when a column is missing."""
    if len(columns) == 1:
        return (_normal(row[columns[0]]),)
    return normal([row[column] for column in columns])


def odd(values: Iterable[Any]) -> Key:
    """What stands for a key with these values, of which one cannot be part of a key."""
    parts = [value if isinstance(value, int | str) else None for value in values]
    return (Odd(json.dumps(parts, separators=(",", ":"))),)


def is_odd(key: Key) -> bool:
    """Whether it names no row."""
    return key[0].__class__ is Odd


def why_odd(key: Key, table: str) -> str:
    """What is wrong with the rows of `table` whose key reads so, and what to do."""
    return (
        f"{table} has a row whose key, {key[0]}, cannot be looked up (null stands for NULL, a fraction or "
        "bytes; text must be UTF-8 without a NUL byte): give the row a key of integers or such text"
    )


def _normal(value: Any) -> int | str | uuid.UUID:
    if type(value) is int:
        if not _SMALLEST <= value <= _GREATEST:
            raise ValueError(f"{value} cannot be part of a key: it does not fit into 64 bits")
        return value
    if isinstance(value, uuid.UUID):
        return value
    if isinstance(value, str):
        if len(value) == _UUID_LENGTH and _USUAL(value):
            return uuid.UUID(value)
        if not _is_unicode(value):
            raise ValueError(f"{value!r} cannot be part of a key: half a surrogate pair or a NUL byte in it")
        return value
    raise ValueError(f"{value!r} cannot be part of a key: a key holds integers, text and UUIDs")


def _is_unicode(value: str) -> bool:
    """Whether it can be sent and found again: half a surrogate pair and, beyond a NUL byte, nothing can."""
    try:
        return "\x00" not in value and (value.isascii() or bool(value.encode()))
    except UnicodeEncodeError:
        return False
