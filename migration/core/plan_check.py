"""Checks the tables of a plan against `plan_keys`: every problem at once, each with its file and line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from migration.core.plan_key import Key, Table
from migration.core.plan_texts import Surroundings
from migration.core.plan_values import read_value
from migration.core.suggest import did_you_mean
from migration.core.toml_lines import Path, key_lines, line_of
from migration.errors import Problem

Values = dict[str, Any]


@dataclass(frozen=True)
class Document:
    """One file of the plan: its name for messages, its text, and what TOML says it holds."""

    file: str
    text: str
    data: Mapping[str, Any]

    @cached_property
    def lines(self) -> Mapping[Path, int]:
        """Where each key stands; computed when the first problem is found."""
        return key_lines(self.text)


@dataclass
class Findings:
    """The problems found so far."""

    around: Surroundings
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def add(self, document: Document, path: Path, sentence: str) -> None:
        """Note a problem; the sentence is `what; what to do about it`."""
        self.problems.append(_problem(document, path, sentence))

    def warn(self, document: Document, path: Path, sentence: str) -> None:
        """Note what may be meant and is seldom right, in the same form."""
        self.warnings.append(_problem(document, path, sentence))


def _problem(document: Document, path: Path, sentence: str) -> Problem:
    what, _, cure = sentence.partition("; ")
    return Problem(document.file, line_of(document.lines, path), what, cure or "correct it")


def read_table(
    table: Table, raw: Any, document: Document, path: Path, found: Findings, beside: tuple[str, ...] = ()
) -> Values:
    """The values of one table with defaults filled in; a wrong value is noted and left out.

    `beside` names the tables that may stand among the keys and are read elsewhere.
    """
    if not isinstance(raw, Mapping):
        found.add(document, path, f"{_dotted(path)} is no table; write it as {table.header}")
        return {}
    _check_names(table, raw, document, path, found, beside)
    values: Values = {}
    for key in table.keys:
        _read_key(key, raw, document, path, found, values)
    return values


def tables_of(name: str, document: Document, found: Findings) -> Mapping[str, Any]:
    """The named tables below `name` (services, slices) of one document."""
    raw = document.data.get(name, {})
    if isinstance(raw, Mapping):
        return raw
    found.add(document, (name,), f"{name} is no table; write [{name}.NAME] for each")
    return {}


def items_of(raw: Any, name: str, document: Document, path: Path, found: Findings) -> list[tuple[Path, Any]]:
    """The elements of the array of tables `name` below `path`, each with its path."""
    items = raw.get(name, []) if isinstance(raw, Mapping) else []
    if isinstance(items, list):
        return [((*path, name, at), item) for at, item in enumerate(items)]
    found.add(document, (*path, name), f"{name} is no list; write [[{_dotted(path)}.{name}]] for each")
    return []


def check_included(document: Document, main_only: tuple[str, ...], found: Findings) -> None:
    """Note what an included file may not have: it holds services and slices alone."""
    allowed = ("services", "slices")
    for name in document.data:
        if name in main_only:
            found.add(document, (name,), f"{name} belongs into the main plan; move it there")
        elif name not in allowed:
            found.add(document, (name,), f"unknown key {name!r}; {did_you_mean(name, allowed)}")


def _check_names(
    table: Table,
    raw: Mapping[str, Any],
    document: Document,
    path: Path,
    found: Findings,
    beside: tuple[str, ...],
) -> None:
    known = {key.name for key in table.keys} | set(beside)
    for name in raw:
        if name not in known and not table.free:
            where = f" in {_dotted(path)}" if path else ""
            found.add(document, (*path, name), f"unknown key {name!r}{where}; {did_you_mean(name, known)}")


def _read_key(
    key: Key, raw: Mapping[str, Any], document: Document, path: Path, found: Findings, values: Values
) -> None:
    if key.name in raw:
        try:
            values[key.name] = read_value(key, raw[key.name], found.around)
        except ValueError as error:
            found.add(document, (*path, key.name), f"{key.name}: {error}")
    elif key.required:
        found.add(document, path, f"{_dotted(path)} has no {key.name!r}; add it: {key.doc}")
    else:
        values[key.name] = default_of(key, found.around)


def default_of(key: Key, around: Surroundings) -> Any:
    """The default as the plan means it; None where there is none."""
    if key.default is None:
        return None
    raw = list(key.default) if isinstance(key.default, tuple) else key.default
    return read_value(key, raw, around)


def _dotted(path: Path) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).lstrip(".") or "the plan"
