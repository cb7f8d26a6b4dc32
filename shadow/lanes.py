"""One lane for each route: its rules, its sides, its turn-taking and the bounds of its comparisons."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from migration.core.plan import Plan, Route
from shadow.compare import Limits
from shadow.core.rules import RuleSet, compile_rules, terms_hash
from shadow.core.walk import Budgets
from shadow.sides import Upstream, sides_of

_CPU = 0.25  # seconds of one comparison: about 6 MB of JSON on a slow core
_DECODED = 8  # times `max_body` a compressed answer may hold


@dataclass(slots=True)
class Lane:
    """What the examination of one route needs, and how far it is."""

    route: Route
    rules: RuleSet
    terms: str  # the hash its counts are bound to
    legacy: Upstream
    extracted: Upstream
    turns: asyncio.Semaphore
    waiting: int = 0
    since_injection: int = 0
    injected_at: float = field(default=float("-inf"))


def lanes_of(plan: Plan) -> Mapping[str, Lane]:
    """A lane for each route of the plan, by route id."""
    lanes: dict[str, Lane] = {}
    for route in plan.routes.values():
        legacy, extracted = sides_of(plan, route)
        rules = compile_rules(route.rules, ZoneInfo)
        terms = terms_hash(route.rules, plan.evidence)
        turns = asyncio.Semaphore(route.max_in_flight)
        lanes[route.id] = Lane(route, rules, terms, legacy, extracted, turns)
    return lanes


def limits_of(lane: Lane) -> Limits:
    """The bounds of a comparison that begins now."""
    deadline = time.thread_time() + _CPU
    return Limits(lane.route.max_body * _DECODED, Budgets(out_of_time=lambda: time.thread_time() > deadline))
