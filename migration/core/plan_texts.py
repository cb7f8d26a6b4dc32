"""Texts of the plan, and what they refer to: what the readers of all values are made of."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from migration.core.plan_key import Key, check_name


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What values refer to: the environment, and the plan's absolute directory."""

    env: Mapping[str, str]
    base: str


def join(base: str, path: str) -> str:
    """`path` made absolute against the plan's directory."""
    return posixpath.normpath(posixpath.join(base, path))


def read_text(_key: Key, value: Any, _around: Surroundings) -> str:
    """A text that says something."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("needs a text in quotes")
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise ValueError("holds a control character; remove it")
    return value


def read_name(key: Key, value: Any, around: Surroundings) -> str:
    """A name of ours."""
    found = read_text(key, value, around)
    check_name(found)
    return found


def read_texts(key: Key, value: Any, around: Surroundings) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, list):
        raise ValueError('needs a list of texts, as in ["a", "b"]')
    return tuple(read_text(key, item, around) for item in value)
