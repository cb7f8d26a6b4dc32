"""Is the comparison itself alive? A synthetic difference goes through it now and then and must be seen.

A broken rule, a comparator that always says "equal" or a body that is never read would otherwise look like
perfection. Injections stay outside the trials.
"""

from __future__ import annotations

from typing import Any

import orjson

from shadow.core.chance import Chance
from shadow.core.json_text import Json, Normalised, NumberText, Unparseable, parse
from shadow.core.paths import Path, generalise, matches
from shadow.core.rules import RuleSet

EVERY = 200  # comparisons
AT_LEAST_EVERY = 60.0  # seconds
_STEPS = 64  # how deep the random descent goes


def is_due(since_comparisons: int, since_seconds: float) -> bool:
    """Whether the next comparison carries a synthetic difference."""
    return since_comparisons >= EVERY or since_seconds >= AT_LEAST_EVERY


def sabotage(body: bytes, rules: RuleSet, rng: Chance) -> bytes:
    """The body with one difference that no rule may hide."""
    try:
        value = parse(body)
        changed = _change(value, rules, rng)
        return orjson.dumps(changed, default=str)
    except (Unparseable, orjson.JSONEncodeError):
        return body + b"!"


def _change(value: Json, rules: RuleSet, rng: Chance) -> Json:
    parent, key, path = _random_leaf(value, rng)
    if parent is None or _touched(rules, path):
        # A key that no rule knows, whatever is under the others.
        return {**value, "strangler injected": True} if isinstance(value, dict) else {"injected": value}
    parent[key] = _other(parent[key])
    return value


def _random_leaf(value: Json, rng: Chance) -> tuple[Any, Any, Path]:
    parent: Any = None
    key: Any = None
    path: Path = ()
    for _ in range(_STEPS):
        if not isinstance(value, dict | list) or not value:
            break
        parent = value
        key = rng.randrange(len(value))
        key = list(value)[key] if isinstance(value, dict) else key
        path = (*path, key)
        value = value[key]
    return parent, key, path


def _touched(rules: RuleSet, path: Path) -> bool:
    steps = generalise(path)
    return any(
        matches(pattern, steps[:cut]) for pattern in rules.patterns for cut in range(1, len(steps) + 1)
    )


def _other(value: Json) -> Json:
    if isinstance(value, bool):
        return not value
    if isinstance(value, NumberText | Normalised | str):
        return f"{value}!"
    if isinstance(value, int | float):
        return value + 1 if abs(value) < 2**52 else 0
    return "injected"
