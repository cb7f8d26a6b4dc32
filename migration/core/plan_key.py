"""What a key of the plan is: its name, what its value is, and which table it stands in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")  # two of them and our words stay below Unleash's 100 characters


class Kind(StrEnum):
    """What a value is; the checker, the schema and the reference know how to read each."""

    TEXT = "text"
    NAME = "name"
    FLAG = "true or false"
    COUNT = "whole number"
    PORT = "port"
    URL = "URL"
    DATABASE = "database URL"
    DURATION = "duration"
    SIZE = "size"
    PERCENT = "share"
    STEPS = "list of whole shares"
    CHOICE = "one of"
    SECRET = "env:NAME"  # noqa: S105 - a reference to a secret, never the secret
    TEXTS = "list of texts"
    NETWORKS = "list of networks"
    METHODS = "list of methods"
    PATH = "path"
    KEY_SOURCE = "key source"
    FLAG_SOURCE = "flag source"
    MATCH = "method and template"
    RULE_PATH = "dotted path"
    OPERATION = "operation"
    TABLES = "table, or list of tables"
    MAPPING = "file and object"
    COLUMNS = "table of columns"
    OWNERS = "table of texts"


@dataclass(frozen=True, slots=True)
class Key:
    """One key: `default` is written as in the plan (None: none), `choices` belong to Kind.CHOICE."""

    name: str
    kind: Kind
    doc: str
    default: str | int | bool | tuple[int, ...] | tuple[str, ...] | None = None
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the plan; `header` as it is written, `free` when other keys are arguments."""

    header: str
    doc: str
    keys: tuple[Key, ...]
    free: bool = False


def check_name(text: str) -> None:
    """ValueError when `text` is no name of a slice, service or route."""
    if _NAME.match(text) is None:
        raise ValueError(f"{text!r} is no name; use a-z, 0-9 and _, at most 40, a letter first")
