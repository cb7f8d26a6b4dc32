"""The names and arguments of the normalisation rules a plan may declare.

What they do to two answers is shadow's business (`shadow.core.rules`); their names live here so that
`plan check` can refuse a misspelt one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

OPERATIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "rename": frozenset({"to"}),
        "drop": frozenset(),
        "instant": frozenset({"naive"}),
        "tolerance": frozenset({"abs", "rel"}),
        "decimal_string": frozenset(),
        "null_absent": frozenset(),
        "set": frozenset(),
        "pair_by": frozenset({"key"}),
        "url_base": frozenset({"legacy", "extracted"}),
    }
)
"""Each operation and the arguments it takes."""

_REQUIRED: Mapping[str, frozenset[str]] = MappingProxyType(
    {name: OPERATIONS[name] for name in ("rename", "pair_by", "url_base")}
)
_NUMBERS = frozenset({"abs", "rel"})
_STEP = r"(?:\[\*\]|\{\*\}|[^.\[\]{}\s]+(?:\[\*\])*)"
_PATH = re.compile(rf"{_STEP}(?:\.{_STEP})*\Z")


def path_problem(path: str) -> str | None:
    """What is wrong with the dotted path of a rule, or None: `items[*].updated_at`, `prices.{*}`."""
    if _PATH.match(path):
        return None
    return f"{path!r} is no path; write segments joined by dots, [*] for list items and {{*}} for any key"


def argument_problems(op: str, args: Mapping[str, object]) -> list[str]:
    """What is wrong with the arguments of the known operation `op`; one sentence each."""
    problems = [f"{op!r} takes no {name!r}" for name in sorted(set(args) - OPERATIONS[op])]
    problems += [f"{op!r} needs {name!r}" for name in sorted(_REQUIRED.get(op, frozenset()) - set(args))]
    if op == "tolerance" and not _NUMBERS & set(args):
        problems.append("'tolerance' needs 'abs' or 'rel', or it changes nothing")
    for name in sorted(set(args) & OPERATIONS[op]):
        problems += _value_problems(name, args[name])
    return problems


def _value_problems(name: str, value: object) -> list[str]:
    if name not in _NUMBERS:
        return [] if isinstance(value, str) and value else [f"{name!r} is a text"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        return [f"{name!r} is a number that is not negative"]
    return []
