"""What is known of one request on its way through, from its head to its last byte."""

from __future__ import annotations

from dataclasses import dataclass, field

from facade.copies import Copy
from facade.core.decide import Decision, Snapshot
from facade.core.incoming import Incoming
from facade.errors import UpstreamError
from facade.ports import ClientSide
from migration.core.plan import Side


@dataclass(slots=True)
class Passage:
    """Filled in as the request goes on; `shadow`: it is a candidate call of our own."""

    client: ClientSide
    snapshot: Snapshot
    request: Incoming
    decision: Decision
    started: float  # monotonic seconds
    at: float  # UTC epoch seconds
    shadow: bool = False
    side: Side = Side.LEGACY
    why: str = ""
    status: int = 0
    outcome: str = "failed"
    fallback: str | None = None
    copy: Copy | None = None
    places: list[str] = field(default_factory=list)
    sent: list[tuple[bytes, bytes]] | None = None
    answered: list[tuple[bytes, bytes]] | None = None

    @property
    def is_tapped(self) -> bool:
        """Whether the exchange goes to the tap, as far as it is known by now."""
        return self.decision.tap and (self.decision.untapped is None or self.fallback is not None)

    def fall_back(self, failure: UpstreamError) -> None:
        """Legacy answers, because of `failure`."""
        self.fallback = failure.kind
        self.why = f"fallback: {failure.kind}"
