"""From stored rows to the report of one route, and to the verdict for the gate. Pure: time comes in."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from migration.core.plan import EvidenceSettings, Plan, Route
from shadow.core.accounts import ACCOUNTED
from shadow.core.count import MATCH, MISMATCH, OUTCOMES
from shadow.core.differences import Impact
from shadow.core.frames import TAPPED
from shadow.core.judge import Case, judge
from shadow.core.report import (
    CountView,
    CoverageView,
    FindingView,
    RouteReport,
    RuleView,
    SampleView,
    TrafficView,
    VerdictView,
)
from shadow.core.rows import FAILURES, SMALLEST, CountRow, FindingRow, RouteRows
from shadow.core.rules import rule_name
from shadow.core.sample import view
from shadow.core.sketch import KeySketch
from shadow.core.words import count_of, percent

_WORST_FIRST = [Impact.BREAKING.value, Impact.BEHAVIOUR.value, Impact.ORDER.value, Impact.ADDITIVE.value]
_CONFIRMED = 2  # trials
_HIDES_MUCH = 0.5  # of the matches


def verdict_of(stored: RouteRows, limits: EvidenceSettings, now: float) -> VerdictView:
    """The verdict alone."""
    traffic = _traffic(stored)
    per_tapped = traffic.eligible / traffic.tapped if traffic.tapped else 1.0
    confirmed = tuple(
        f"{row.kind} at {row.path} ({row.trials} trials)"
        for row in _ranked(stored.findings)
        if _confirmed(row)
    )
    return judge(Case(stored.current, confirmed, per_tapped), limits, now)


def evidence_hash(stored: RouteRows) -> str:
    """Names the numbers a decision was shown: 16 hex digits."""
    row = stored.current
    facts = (row.key.id, row.n, row.k, row.last_trial) if row else ()
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def build_report(stored: RouteRows, plan: Plan, route: Route, now: float) -> RouteReport:
    """The whole report at `now` (epoch seconds)."""
    limits, current = plan.evidence, stored.current
    detail = current.detail if current else {}
    return RouteReport(
        route=route.id,
        match=f"{route.method} {route.template.text}",
        owner=plan.slices[route.slice_name].owner,
        generated_at=now,
        demo=limits.demo,
        verdict=verdict_of(stored, limits, now),
        count=_count(stored),
        traffic=_traffic(stored),
        findings=_findings(stored),
        rules=_rules(route, detail),
        coverage=_coverage(stored),
        injected=int(detail.get("injected", 0)),
        caught=int(detail.get("caught", 0)),
        ignored_headers=_largest_first(detail.get("ignored", {})),
        notices=_notices(stored, limits),
    )


def _count(stored: RouteRows) -> CountView | None:
    row = stored.current
    if row is None:
        return None
    return CountView(
        row.key.id,
        row.key.build_old,
        row.key.build_new,
        row.key.rules_hash,
        row.first,
        row.last,
        row.last_trial,
        row.last - row.first,
        len(stored.counts),
    )


def _traffic(stored: RouteRows) -> TrafficView:
    totals: Counter[str] = Counter()
    for counter in stored.counters:
        totals[counter.reason] += counter.n
    tapped, accounted = totals.pop(TAPPED, 0), totals.pop(ACCOUNTED, 0)
    current = stored.current.detail["outcomes"] if stored.current else {}
    outcomes = _summed(stored.counts, "outcomes")
    return TrafficView(
        tapped + totals.total(),
        tapped,
        max(0, tapped - accounted),
        {name: outcomes[name] for name in OUTCOMES},
        {name: current.get(name, 0) for name in OUTCOMES},
        _largest_first(totals),
        _largest_first(_summed(stored.counts, "undecided")),
        _largest_first(_summed(stored.counts, "lost")),
    )


def _summed(rows: Iterable[CountRow], name: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for row in rows:
        total.update(row.detail[name])
    return total


def _largest_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _confirmed(row: FindingRow) -> bool:
    return row.impact == Impact.BREAKING.value and row.trials >= _CONFIRMED


def _ranked(rows: Iterable[FindingRow]) -> list[FindingRow]:
    return sorted(rows, key=lambda row: (_WORST_FIRST.index(row.impact), -row.exchanges, row.path))


def _findings(stored: RouteRows) -> tuple[FindingView, ...]:
    outcomes = stored.current.detail["outcomes"] if stored.current else {}
    compared = max(1, outcomes.get(MATCH, 0) + outcomes.get(MISMATCH, 0))
    samples: dict[str, list[SampleView]] = {}
    for row in stored.samples:
        sample = view(dict(row.payload), row.at, row.slot == SMALLEST)
        samples.setdefault(row.finding_id, []).append(sample)
    return tuple(_finding(row, compared, tuple(samples.get(row.id, ()))) for row in _ranked(stored.findings))


def _finding(row: FindingRow, compared: int, samples: tuple[SampleView, ...]) -> FindingView:
    return FindingView(
        row.id,
        row.path,
        row.kind,
        row.impact,
        row.types,
        row.exchanges,
        row.exchanges / compared,
        row.trials,
        KeySketch(row.detail["keys"]).count(),
        row.first,
        row.last,
        row.trials >= _CONFIRMED,
        samples,
    )


def _rules(route: Route, detail: Mapping[str, Mapping[str, int]]) -> tuple[RuleView, ...]:
    fired, turned = detail.get("fired", {}), detail.get("turned", {})
    matches = detail.get("outcomes", {}).get(MATCH, 0)
    names = list(dict.fromkeys(rule_name(rule) for rule in route.rules))
    numbers = [(name, fired.get(name, 0), turned.get(name, 0)) for name in names]
    return tuple(RuleView(*each, _note(*each[1:], matches)) for each in numbers)


def _note(fired: int, turned: int, matches: int) -> str:
    if fired == 0:
        return "it hid nothing so far" if matches else ""
    if matches and turned / matches > _HIDES_MUCH:
        return f"{percent(turned / matches)} of the matches are its doing"
    return ""


def _coverage(stored: RouteRows) -> CoverageView:
    row = stored.current
    if row is None:
        return CoverageView(0, 0, 0, 0, {}, {})
    detail = row.detail
    return CoverageView(
        KeySketch(detail["keys"]).count(),
        stored.open_sessions,
        int(detail["undrawn"]),
        int(detail["unkeyed"]),
        _largest_first(detail["statuses"]),
        _largest_first(detail["shapes"]),
    )


def _notices(stored: RouteRows, limits: EvidenceSettings) -> tuple[str, ...]:
    found = _write_failures(stored.meta.get(FAILURES))
    if limits.demo:
        found.append(
            f"demo limits: p0 = {percent(limits.p0)}, sessions end after {limits.session_idle:g} s, "
            f"{limits.min_covered:g} s of traffic are enough: no ground for a decision about real users"
        )
    if limits.build == "unknown":
        found.append('evidence.build = "unknown": a deploy of either side goes unnoticed')
    if stored.current and stored.current.detail["overflow"]:
        found.append(f"{stored.current.detail['overflow']:,} sessions were not opened: too many at once")
    if len(stored.counts) > 1:
        found.append(f"{len(stored.counts)} counts were started for this route; each may be wrong by itself")
    return tuple(found)


def _write_failures(stored: str | None) -> list[str]:
    if stored is None:
        return []
    told = json.loads(stored)
    when = datetime.fromtimestamp(told["last_at"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    times = count_of(told["times"], "time")
    return [f"the evidence could not be written {times}, last at {when}, and was later: {told['last_error']}"]
