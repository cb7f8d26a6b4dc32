"""What is known about one request on its way, from its decision to what is told of it."""

from __future__ import annotations

from facade.copies import Copy
from facade.core.decide import Decision, Snapshot
from facade.core.incoming import Incoming, Project
from facade.core.writes import Write
from facade.errors import UpstreamError
from facade.ports import AnswerHead, ClientSide
from migration.core.plan import Side


class Passage:
    """Filled in as the request goes on; `started` monotonic seconds, `at` UTC epoch seconds."""

    __slots__ = (
        "answered", "at", "client", "copy", "decision", "fallback", "outcome", "places", "project", "request",
        "sent", "side", "snapshot", "started", "status", "untaken", "why", "write",
    )  # fmt: skip

    def __init__(
        self, client: ClientSide, snapshot: Snapshot, project: Project, request: Incoming, decision: Decision,
        started: float, at: float,
    ) -> None:  # fmt: skip
        """A request that was decided on."""
        self.client, self.snapshot, self.project, self.request = client, snapshot, project, request
        self.decision, self.started, self.at = decision, started, at
        self.side, self.why = decision.side, decision.why
        self.status, self.outcome = 0, "failed"
        self.fallback: str | None = None
        self.copy: Copy | None = None
        self.write: Write | None = None  # where it writes data that is kept in step
        self.untaken: str | None = None  # why the tap would not have taken it, so that no copy was made
        self.places: list[str] = []
        self.sent = b""  # the head that the answering backend was sent
        self.answered: AnswerHead | None = None

    def decide(self, snapshot: Snapshot, project: Project, decision: Decision) -> None:
        """Decided again: it waited, and what it was decided on is over."""
        self.snapshot, self.project, self.decision = snapshot, project, decision
        self.side, self.why = decision.side, decision.why

    @property
    def is_tapped(self) -> bool:
        """Whether the exchange goes to the tap, as far as it is known by now."""
        return self.decision.tap and (self.decision.untapped is None or self.fallback is not None)

    def fall_back(self, failure: UpstreamError) -> None:
        """Legacy answers, because of `failure`."""
        self.fallback, self.side = failure.kind, Side.LEGACY
        self.why = f"fallback: {failure.kind}"
