"""Values of slices, entities, routes and rules: from what TOML holds to what the plan means."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from migration.core.plan_key import Key, Kind
from migration.core.plan_texts import Surroundings, read_text, read_texts
from migration.core.rules import OPERATIONS, path_problem
from migration.core.suggest import did_you_mean
from migration.core.template import Template

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")  # RFC 9110, section 5.6.2
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")  # PostgreSQL cuts names at 63 bytes
_MAPPING = re.compile(r"(?P<file>[^:]+\.py):(?P<name>[A-Za-z_][A-Za-z0-9_]*)\Z")


@dataclass(frozen=True, slots=True)
class Match:
    """A parsed `match`: the method and the template."""

    method: str
    template: Template


def _tables(key: Key, value: Any, around: Surroundings) -> tuple[str, ...]:
    found = read_texts(key, [value] if isinstance(value, str) else value, around)
    for text in found:
        if _TABLE.match(text) is None:
            raise ValueError(f"{text!r} is no table; write its plain name, without schema or quotes")
    if not found or len(set(found)) < len(found):
        raise ValueError('needs each table once, as in "orders" or ["orders", "order_notes"]')
    return found


def _mapping(key: Key, value: Any, around: Surroundings) -> tuple[str, str]:
    text = read_text(key, value, around)
    found = _MAPPING.match(text)
    if found is None:
        raise ValueError(f"{text!r} names no mapping; write FILE.py:OBJECT, as in mappings/orders.py:order")
    return found["file"], found["name"]


def _columns(_key: Key, value: Any, _around: Surroundings) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not value:
        raise ValueError('needs a table of columns, as in {id = "id", total = {to = "cents", as = "cents"}}')
    return value


def _owners(key: Key, value: Any, around: Surroundings) -> Mapping[str, str]:
    if not isinstance(value, Mapping) or not value:
        raise ValueError('needs a table of texts, as in {"celery@*" = "team-billing"}')
    return {pattern: read_text(key, owner, around) for pattern, owner in value.items()}


def _match(key: Key, value: Any, around: Surroundings) -> Match:
    text = read_text(key, value, around)
    method, space, path = text.partition(" ")
    if not space or _TOKEN.match(method) is None or method != method.upper():
        raise ValueError(
            f"{text!r} is no match; write a method and a template, as in 'GET /api/items/{{id:int}}'"
        )
    template = Template.parse(path.strip())
    _check_literals(template)
    return Match(method, template)


def _check_literals(template: Template) -> None:
    """Literals are compared with the path decoded once: what never survives decoding would never match."""
    for segment in template.segments[:-1]:
        if segment.literal == "":
            raise ValueError(f"{template.text!r} has an empty segment; write one slash where two stand")
    for segment in template.segments:
        literal = segment.literal or ""
        if literal in (".", "..") or any(char in "%?#\\ " or ord(char) < 32 for char in literal):
            raise ValueError(f"{literal!r} in {template.text!r} never matches; write the decoded path alone")


def _rule_path(key: Key, value: Any, around: Surroundings) -> str:
    text = read_text(key, value, around)
    problem = path_problem(text)
    if problem is not None:
        raise ValueError(problem)
    return text


def _operation(key: Key, value: Any, around: Surroundings) -> str:
    text = read_text(key, value, around)
    if text not in OPERATIONS:
        raise ValueError(f"{text!r} is no operation; {did_you_mean(text, OPERATIONS)}")
    return text


SLICE_READERS: dict[Kind, Callable[[Key, Any, Surroundings], Any]] = {
    Kind.MATCH: _match,
    Kind.RULE_PATH: _rule_path,
    Kind.OPERATION: _operation,
    Kind.TABLES: _tables,
    Kind.MAPPING: _mapping,
    Kind.COLUMNS: _columns,
    Kind.OWNERS: _owners,
}
