"""Reading the evidence: reports for people, and one verdict for the gate."""

from __future__ import annotations

from migration.core.gate import RouteEvidence
from migration.core.plan import Plan
from shadow.core.report import RouteReport
from shadow.ports import EvidenceStore


def open_evidence(url: str) -> EvidenceStore:
    """The evidence store at `url` (SQLite or PostgreSQL), made ready; EvidenceError when it cannot be."""
    raise NotImplementedError


def route_report(store: EvidenceStore, plan: Plan, route_id: str, now: float) -> RouteReport:
    """Everything known about one route at `now`; blocks at most about 2 s, EvidenceError when away."""
    raise NotImplementedError


def route_evidence(store: EvidenceStore, plan: Plan, route_id: str, now: float) -> RouteEvidence:
    """The verdict of one route for the gate; it reads one row of counts and the open breaking findings."""
    raise NotImplementedError
