"""Paths into bodies: concrete (`items`, 3, `price`), general (`items[*].price`), and the patterns of rules.

Paths match by segment, never by prefix or substring: `price` says nothing about `price_old` or `items`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

Step = str | int
Path = tuple[Step, ...]

ANY_ITEM = "[*]"
ANY_KEY = "{*}"
_STEP = re.compile(r"\[\*\]|\{\*\}|[^.\[\]{}\s]+")
# Keys that are data rather than names: numbers, UUIDs and hashes, dates, anything odd or long.
_DATA_KEY = re.compile(
    r"\d+\Z|[0-9a-fA-F]{16,}\Z|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z|\d{4}-\d{2}-\d{2}|.*[@\s/:]"
)
_LONGEST_NAME = 64


@lru_cache(maxsize=4096)
def parse_pattern(text: str) -> tuple[str, ...]:
    """The segments of a rule's path: `items[*].price` → ("items", "[*]", "price")."""
    return tuple(_STEP.findall(text))


@lru_cache(maxsize=65536)
def _general_key(key: str) -> str:
    if len(key) > _LONGEST_NAME or _DATA_KEY.match(key) or not key.isprintable():
        return ANY_KEY
    return key


def generalise(path: Iterable[Step]) -> tuple[str, ...]:
    """Indices become `[*]`, keys that look like data `{*}`."""
    return tuple(ANY_ITEM if isinstance(step, int) else _general_key(step) for step in path)


def text(steps: Iterable[str]) -> str:
    """`items[*].price`; the whole body is `$`."""
    parts: list[str] = []
    for step in steps:
        parts.append(step if step == ANY_ITEM or not parts else f".{step}")
    return "".join(parts) or "$"


def matches(pattern: tuple[str, ...], steps: tuple[str, ...]) -> bool:
    """Whether the general path `steps` is exactly what `pattern` names."""
    return len(pattern) == len(steps) and all(
        wanted in (step, ANY_KEY if step != ANY_ITEM else step)
        for wanted, step in zip(pattern, steps, strict=True)
    )
