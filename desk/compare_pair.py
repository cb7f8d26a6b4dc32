"""Are two answers to one path equal? Shadow's own comparison says so; here it gets a census' words."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from zoneinfo import ZoneInfo

from desk.core.census import Compared, Difference
from desk.fetch import BIGGEST, NoAnswer
from migration.core.plan import Rule
from shadow.compare import Answer, Limits, compare_answers
from shadow.core import differences as found_by
from shadow.core.differences import MISSING, Kind
from shadow.core.encodings import Undecodable, decode
from shadow.core.headers import first
from shadow.core.json_text import Json, TooDeep, canonical
from shadow.core.rules import RuleSet, compile_rules
from shadow.core.walk import Budgets

CPU_TIME = 2.0  # seconds for one path: a census may take longer than a comparison beside live traffic
_BYTES = "bytes → bytes"


def rules_of(ignored: Sequence[str]) -> RuleSet:
    """The rules of a census: drop what the person said to ignore."""
    return compile_rules([Rule("drop", path) for path in ignored], lru_cache(ZoneInfo))


def compare(
    path: str, old: Answer | NoAnswer, new: Answer | NoAnswer, bases: tuple[str, str], rules: RuleSet
) -> Compared:
    """Compare both answers to `path`; an old side that gave none leaves nothing to compare with."""
    if isinstance(old, NoAnswer):
        return Compared(path, reason=f"old: {old.why}")
    if isinstance(new, NoAnswer):
        if new.kind == "too_large":
            return Compared(path, reason=f"new: {new.why}")
        return Compared(path, (Difference(new.kind, "(no answer)", f"status {old.status}", new.why),))
    deadline = time.monotonic() + CPU_TIME
    limits = Limits(BIGGEST, Budgets(out_of_time=lambda: time.monotonic() > deadline))
    result = compare_answers(old, new, rules, limits, bases)
    if result.outcome == "undecided":
        return Compared(path, reason=f"not compared to its end: {result.undecided}")
    return Compared(path, tuple(_difference(one, old, new) for one in result.differences))


def _difference(one: found_by.Difference, old: Answer, new: Answer) -> Difference:
    if one.kind is Kind.VALUE and one.types == _BYTES:
        return _by_line(old, new)
    return Difference(one.kind.value, one.place, _text(one.old), _text(one.new))


def _by_line(old: Answer, new: Answer) -> Difference:
    """The first line that differs of two bodies that are no JSON."""
    left, right = _lines(old), _lines(new)
    shorter = min(len(left), len(right))
    at = next((at for at in range(shorter) if left[at] != right[at]), shorter)
    return Difference(Kind.VALUE.value, "(body)", _line(left, at), _line(right, at))


def _line(lines: list[str], at: int) -> str:
    return f"line {at + 1}: {lines[at].strip()}" if at < len(lines) else f"ends before line {at + 1}"


def _lines(answer: Answer) -> list[str]:
    try:
        body = decode(answer.body, first(answer.headers, "content-encoding"), BIGGEST)
    except Undecodable:
        body = answer.body
    return body.decode("utf-8", "replace").split("\n")


def _text(value: Json) -> str:
    if value is MISSING:
        return "(missing)"
    try:
        return canonical(value).decode("utf-8", "replace")
    except (TooDeep, RecursionError):
        return "(nested too deeply to show)"
