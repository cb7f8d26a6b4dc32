"""Two answers in, one comparison out: what decides whether they are equal (also behind `strangler diff`)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

from shadow.core.differences import Difference, Kind
from shadow.core.encodings import Undecodable, decode
from shadow.core.headers import Headers, compare_headers, first
from shadow.core.json_text import Json, TooDeep, Unparseable, canonical, parse, read
from shadow.core.rules import RuleSet, apply_rules
from shadow.core.walk import Budgets, Walked, walk

Outcome = Literal["match", "mismatch", "undecided"]

_BODY = "$"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came over the wire."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the comparison says, and why; `old` and `new` are the values after the rules, where parsed."""

    outcome: Outcome
    differences: tuple[Difference, ...] = ()
    undecided: str = ""  # the reason, where the outcome is undecided
    truncated: str | None = None  # the budget that cut the list of differences short
    fired: tuple[str, ...] = ()
    turned: tuple[str, ...] = ()  # rules that made this exchange a match
    ignored_headers: tuple[str, ...] = ()
    old: Json = None
    new: Json = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one comparison: decoded bytes of each body, and the budgets of the walk."""

    decoded: int = 16 * 1024 * 1024
    budgets: Budgets = field(default_factory=Budgets)


def compare_answers(
    old: Answer,
    new: Answer,
    rules: RuleSet,
    limits: Limits,
    bases: tuple[str, str] = ("", ""),
    with_body: bool = True,
) -> Comparison:
    """Compare status, headers and bodies; `bases` are both sides' own URLs; HEAD has no body."""
    if old.status != new.status:
        # The rest follows from it: a 404's body against a product's says nothing more.
        return Comparison("mismatch", (_status(old.status, new.status),))
    headers = compare_headers(old.headers, new.headers, bases)
    body = _decoded(old, new, rules, limits) if with_body else Comparison("match")
    differences = (*headers.differences, *body.differences)
    outcome: Outcome = "mismatch" if differences else body.outcome
    return Comparison(
        outcome,
        differences,
        body.undecided,
        body.truncated,
        body.fired,
        body.turned if outcome == "match" else (),
        headers.ignored,
        body.old,
        body.new,
    )


def _status(old: int, new: int) -> Difference:
    return Difference(Kind.STATUS, "status", f"{old // 100}xx → {new // 100}xx", old, new)


def _decoded(old: Answer, new: Answer, rules: RuleSet, limits: Limits) -> Comparison:
    encodings = first(old.headers, "content-encoding"), first(new.headers, "content-encoding")
    if old.body == new.body and encodings[0] == encodings[1]:
        return Comparison("match")
    try:
        control = decode(old.body, encodings[0], limits.decoded)
    except Undecodable as error:
        return Comparison("undecided", undecided=f"legacy_{error}")
    try:
        candidate = decode(new.body, encodings[1], limits.decoded)
    except Undecodable as error:
        if str(error) == "encoding_unknown":
            return Comparison("undecided", undecided="encoding_unknown")
        return Comparison("mismatch", (_unreadable(control, str(error)),))
    return compare_bodies(control, candidate, rules, limits.budgets)


def _unreadable(control: bytes, why: str, detail: str = "") -> Difference:
    return Difference(Kind.UNPARSEABLE, _BODY, f"body → {why}", _digest(control), (detail or why)[:120])


def compare_bodies(control: bytes, candidate: bytes, rules: RuleSet, budgets: Budgets) -> Comparison:
    """Compare two bodies: equal bytes, else JSON by its canonical form after the rules, else bytes only."""
    if control == candidate:
        return Comparison("match")
    try:
        old, old_text = read(control)
    except Unparseable:
        return Comparison("mismatch", (_by_bytes(control, candidate),))
    try:
        new, new_text = read(candidate)
    except Unparseable as error:
        return Comparison("mismatch", (_unreadable(control, "unparseable", str(error)),))
    if old_text is not None and old_text == new_text:
        return Comparison("match")
    return _compare_values(old, new, rules, budgets)


def _by_bytes(control: bytes, candidate: bytes) -> Difference:
    try:
        parse(candidate)
    except Unparseable:
        return Difference(Kind.VALUE, _BODY, "bytes → bytes", _digest(control), _digest(candidate))
    return Difference(Kind.BODY_TYPE, _BODY, "bytes → JSON", _digest(control), _digest(candidate))


def _digest(body: bytes) -> str:
    return f"{len(body)} bytes, sha256 {hashlib.sha256(body).hexdigest()[:16]}"


def _compare_values(old: Json, new: Json, rules: RuleSet, budgets: Budgets) -> Comparison:
    try:
        applied = apply_rules(rules, old, new)
        old, new = applied.old, applied.new
        fired, evened = applied.fired, applied.evened
        if fired and canonical(old) == canonical(new):
            return Comparison("match", fired=fired, turned=evened)
    except TooDeep:
        fired = ()  # the walk has a budget of its own, and says what it saw
    walked = walk(old, new, budgets, rules.pair_keys)
    return _from_walk(walked, fired, old, new)


def _from_walk(walked: Walked, fired: tuple[str, ...], old: Json, new: Json) -> Comparison:
    if walked.differences:
        return Comparison(
            "mismatch", walked.differences, truncated=walked.ended_by, fired=fired, old=old, new=new
        )
    # Canonical bytes differ and the walk found nothing: it ended early, or something is wrong with it.
    return Comparison("undecided", undecided=f"budget_{walked.ended_by or 'walk'}", fired=fired)
