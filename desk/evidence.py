"""What shadow has found, read so that nothing at the desk fails because of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING

from migration.core.gate import NO_EVIDENCE, RouteEvidence
from migration.core.plan import Plan

if TYPE_CHECKING:
    from shadow.core.report import RouteReport
    from shadow.ports import EvidenceStore


@dataclass(frozen=True, slots=True)
class Summary:
    """The verdict for the gate, its numbers in words and in fewer words, and the worst open finding."""

    evidence: RouteEvidence
    numbers: str = ""
    short: str = ""
    top_finding: str = ""


class Evidence:
    """Reads one evidence store; opened when first asked, opened again after an error."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._store: EvidenceStore | None = None
        self.trouble: str | None = None

    def __enter__(self) -> Evidence:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the store."""
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def read(self, plan: Plan, route_id: str, now: float) -> RouteEvidence:
        """The verdict for the gate; NONE with the reason when it cannot be read."""
        from shadow.evidence import route_evidence

        try:
            found = route_evidence(self._opened(), plan, route_id, now)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, evidence that is away is no evidence
            return self._away(error)
        self.trouble = None
        return found

    def report(self, plan: Plan, route_id: str, now: float) -> RouteReport:
        """The whole report of a route; raises what the store raises."""
        from shadow.evidence import route_report

        return route_report(self._opened(), plan, route_id, now)

    def summary(self, plan: Plan, route_id: str, now: float) -> Summary:
        """The verdict with its numbers and the worst finding."""
        found = self.read(plan, route_id, now)
        if self.trouble is not None or found.verdict == "NONE":
            return Summary(found)
        from desk.report_words import numbers, short_numbers, top_finding

        try:
            report = self.report(plan, route_id, now)
        except Exception as error:  # noqa: BLE001 - as above
            return Summary(self._away(error))
        return Summary(found, numbers(report), short_numbers(report), top_finding(report))

    def _opened(self) -> EvidenceStore:
        from shadow.evidence import open_evidence

        if self._store is None:
            self._store = open_evidence(self._url)
        return self._store

    def _away(self, error: Exception) -> RouteEvidence:
        self.close()
        self.trouble = f"The evidence cannot be read: {error}"
        return replace(NO_EVIDENCE, sentence=f"the evidence cannot be read: {error}")
