"""Normalisation: what a plan declares to mean the same, applied to both answers before they are compared.

Each operation is a function of the pair of values at one place; MISSING stands where a side has none. A rule
*fires* in an exchange when it changes values that differed, and *evens* when they are equal afterwards: a
rule that hides much, or nothing, has to be seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from migration.core.plan import EvidenceSettings, Rule
from shadow.core.differences import MISSING
from shadow.core.json_text import Json, canonical
from shadow.core.operations import OPERATIONS, Operation, Zones
from shadow.core.paths import ANY_ITEM, ANY_KEY, parse_pattern

_COMPARATOR = "1"  # grows when the comparison itself changes its mind about anything: a new count starts


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule ready to run; `name` is how reports call it."""

    name: str
    pattern: tuple[str, ...]
    operation: Operation
    rename_to: str | None = None


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules of one route, in the order of the plan, and the hash their count is bound to."""

    rules: tuple[CompiledRule, ...]
    hash: str
    pair_keys: Mapping[tuple[str, ...], str]

    @property
    def patterns(self) -> tuple[tuple[str, ...], ...]:
        """Every place a rule may touch."""
        return tuple(rule.pattern for rule in self.rules)


@dataclass(frozen=True, slots=True)
class Applied:
    """Both values after the rules, with the names of the rules that fired and of those that evened."""

    old: Json
    new: Json
    fired: tuple[str, ...]
    evened: tuple[str, ...]


def rules_hash(rules: Sequence[Rule]) -> str:
    """12 hex digits over the rules and this comparator."""
    texts = [[rule.op, rule.path, {name: str(value) for name, value in rule.args.items()}] for rule in rules]
    data = orjson.dumps([_COMPARATOR, texts], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(data).hexdigest()[:12]


def terms_hash(rules: Sequence[Rule], limits: EvidenceSettings) -> str:
    """What a count is bound to besides the builds: the rules, the limit it tests, and what a session is.

    A limit chosen after a look at the numbers proves nothing (12 hex digits).
    """
    terms = [rules_hash(rules), limits.p0, limits.alpha, limits.session_idle, limits.session_max]
    return hashlib.sha256(orjson.dumps(terms)).hexdigest()[:12]


def compile_rules(rules: Sequence[Rule], zones: Zones) -> RuleSet:
    """Make the plan's rules ready to run; `zones` finds a time zone by its IANA name."""
    return RuleSet(
        tuple(_compile(rule, zones) for rule in rules),
        rules_hash(rules),
        {parse_pattern(rule.path): str(rule.args["key"]) for rule in rules if rule.op == "pair_by"},
    )


def rule_name(rule: Rule) -> str:
    """`instant updated_at (naive=Europe/Berlin)`."""
    args = ", ".join(f"{name}={value}" for name, value in sorted(rule.args.items()))
    return f"{rule.op} {rule.path}" + (f" ({args})" if args else "")


def _compile(rule: Rule, zones: Zones) -> CompiledRule:
    operation = OPERATIONS[rule.op](rule.args, zones)
    to = str(rule.args["to"]) if rule.op == "rename" else None
    return CompiledRule(rule_name(rule), parse_pattern(rule.path), operation, to)


def apply_rules(rules: RuleSet, old: Json, new: Json) -> Applied:
    """Run every rule over both values, which are changed in place. TooDeep beyond about 250 levels."""
    fired: list[str] = []
    evened: list[str] = []
    root: list[Json] = [old]
    other: list[Json] = [new]
    for rule in rules.rules:
        outcomes = [_at(rule, *site) for site in _sites((0, *rule.pattern), root, other)]
        if any(changed for changed, _ in outcomes):
            fired.append(rule.name)
        if any(even for _, even in outcomes):
            evened.append(rule.name)
    return Applied(root[0], other[0], tuple(fired), tuple(evened))


def _sites(pattern: tuple[str | int, ...], old: Json, new: Json) -> Iterator[tuple[Json, Json, str | int]]:
    """Each (old parent, new parent, key) that `pattern` names on at least one side."""
    step, rest = pattern[0], pattern[1:]
    for key in _keys(step, old, new):
        if not rest:
            yield old, new, key
            continue
        left, right = _get(old, key), _get(new, key)
        if isinstance(left, dict | list) or isinstance(right, dict | list):
            yield from _sites(rest, left, right)


def _keys(step: str | int, old: Json, new: Json) -> list[str | int]:
    if step == ANY_ITEM:
        return list(range(max((len(side) for side in (old, new) if isinstance(side, list)), default=0)))
    if step == ANY_KEY:
        return list(dict.fromkeys(key for side in (old, new) if isinstance(side, dict) for key in side))
    return [step]


def _get(parent: Json, key: str | int) -> Json:
    if isinstance(parent, dict):
        return parent.get(key, MISSING)
    if isinstance(parent, list) and isinstance(key, int) and key < len(parent):
        return parent[key]
    return MISSING


def _set(parent: Json, key: Any, value: Json) -> None:
    if value is not MISSING:
        parent[key] = value
    elif isinstance(parent, dict):
        parent.pop(key, None)
    else:
        parent[key] = None  # an item of a list cannot be dropped without moving the others


def _at(rule: CompiledRule, old: Json, new: Json, key: str | int) -> tuple[bool, bool]:
    """Run one rule at one place: whether it changed values that differed, and whether it made them equal."""
    if rule.rename_to is not None:
        return _rename(old, new, key, rule.rename_to)
    before = (_get(old, key), _get(new, key))
    after = rule.operation(*before)
    for parent, was, value in zip((old, new), before, after, strict=True):
        if value is not was:
            _set(parent, key, value)
    if all(value is was for was, value in zip(before, after, strict=True)) or _same(*before):
        return False, False
    return True, _same(*after)


def _same(old: Json, new: Json) -> bool:
    if old is MISSING or new is MISSING:
        return old is new
    return canonical(old) == canonical(new)


def _rename(old: Json, new: Json, key: Any, to: str) -> tuple[bool, bool]:
    # Legacy's name is the old one: only its side is rewritten, and never over something that is there.
    if not isinstance(old, dict) or key not in old or to in old:
        return False, False
    old[to] = old.pop(key)
    return True, _same(old[to], _get(new, to))
