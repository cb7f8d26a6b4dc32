"""The reference page of the plan, from the same table as the checker."""

from __future__ import annotations

from collections.abc import Iterator

from migration.core.conversions import CONVERSIONS, Conversion
from migration.core.plan_key import Key, Kind, Table
from migration.core.plan_keys import TABLES
from migration.core.rules import OPERATIONS
from migration.core.template import CONVERTERS

_EXAMPLES = {
    Kind.DURATION: "duration (`250ms`, `2s`, `30min`, `24h`, `7d`)",
    Kind.SIZE: "size (`64KB`, 1 KB = 1,024 B)",
    Kind.PERCENT: "share (`0.1%`)",
    Kind.SECRET: "`env:NAME`",
    Kind.STEPS: "whole shares, increasing (`[1, 10, 50, 100]`)",
}


def reference() -> str:
    """Every key of every table, in Markdown."""
    lines: list[str] = []
    for table in TABLES:
        lines += _table(table)
    lines += ["## Operations of rules", "", "| op | arguments |", "|---|---|"]
    lines += [f"| `{name}` | {_list(sorted(args)) or '–'} |" for name, args in OPERATIONS.items()]
    lines += ["", "## Conversions of columns", "", "| `as` | what |", "|---|---|"]
    lines += [f"| `{_spelled(name, one)}` | {one.doc} |" for name, one in CONVERSIONS.items()]
    lines += ["", f"Converters of templates: {_list(sorted(CONVERTERS))}."]
    return "\n".join(lines)


def _table(table: Table) -> Iterator[str]:
    yield from (f"## {f'`{table.header}`' if table.header else 'Top'}", "", table.doc, "")
    yield from ("| key | value | default | what |", "|---|---|---|---|")
    for key in table.keys:
        yield f"| `{key.name}` | {_value(key)} | {_default(key)} | {key.doc} |"
    yield ""


def _value(key: Key) -> str:
    if key.kind is Kind.CHOICE:
        return " or ".join(f"`{choice}`" for choice in key.choices)
    return _EXAMPLES.get(key.kind, key.kind.value)


def _default(key: Key) -> str:
    if key.required:
        return "required"
    if key.default is None:
        return "–"
    if isinstance(key.default, bool):
        return f"`{str(key.default).lower()}`"
    if isinstance(key.default, tuple):
        return f"`{list(key.default)}`"
    return f"`{key.default}`"


def _spelled(name: str, conversion: Conversion) -> str:
    return f"{name}:{conversion.argument}" if conversion.argument else name


def _list(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
