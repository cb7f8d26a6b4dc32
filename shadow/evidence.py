"""Reading the evidence: reports for people, and one verdict for the gate."""

from __future__ import annotations

from migration.core.gate import RouteEvidence
from migration.core.plan import Plan, Route
from shadow.core.build_report import build_report, evidence_hash, verdict_of
from shadow.core.report import RouteReport
from shadow.core.rows import RouteRows
from shadow.core.rules import terms_hash
from shadow.errors import EvidenceError, ShadowError
from shadow.ports import EvidenceStore

__all__ = ["EvidenceError", "open_evidence", "route_evidence", "route_report"]


def open_evidence(url: str) -> EvidenceStore:
    """The evidence store at `url` (SQLite or PostgreSQL); EvidenceError when the URL is of no use.

    Nothing is created: where shadow has stored nothing yet, there is simply nothing to read.
    """
    from shadow.adapters.evidence_sql import SqlEvidence  # only who reads evidence loads a database's driver

    return SqlEvidence(url)


def route_report(store: EvidenceStore, plan: Plan, route_id: str, now: float) -> RouteReport:
    """Everything known about one route at `now`; blocks at most about 2 s, EvidenceError when away."""
    route = _route(plan, route_id)
    return build_report(_rows(store, plan, route, samples=True), plan, route, now)


def route_evidence(store: EvidenceStore, plan: Plan, route_id: str, now: float) -> RouteEvidence:
    """The verdict of one route for the gate: NONE where nothing was compared under the plan's rules."""
    stored = _rows(store, plan, _route(plan, route_id), samples=False)
    verdict = verdict_of(stored, plan.evidence, now)
    word = "NONE" if stored.current is None else verdict.word
    return RouteEvidence(word, verdict.sentence, evidence_hash(stored))


def _route(plan: Plan, route_id: str) -> Route:
    route = plan.routes.get(route_id)
    if route is None:
        raise ShadowError(f"the plan has no route {route_id!r}; it has {', '.join(plan.routes) or 'none'}")
    return route


def _rows(store: EvidenceStore, plan: Plan, route: Route, *, samples: bool) -> RouteRows:
    return store.route_rows(route.id, terms_hash(route.rules, plan.evidence), samples=samples)
