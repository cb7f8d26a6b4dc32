"""Through what this room reaches the outside: the evidence store, and the other side's answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from shadow.core.rows import Batch, RouteRows, Snapshot


class EvidenceStore(Protocol):
    """Where the evidence is kept. Blocking, at most about two seconds; raises EvidenceError."""

    def take_over(self, writer: str) -> Snapshot:
        """Make this the one process that may write, creating what is missing; returns what is stored."""
        ...

    def write(self, batch: Batch, writer: str) -> None:
        """Write all of it or nothing; EvidenceTakenOver when another process writes now."""
        ...

    def route_rows(self, route: str, rules_hash: str, *, samples: bool) -> RouteRows:
        """What is stored of a route; empty where nothing was ever stored."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


Side = Literal["legacy", "extracted"]


@dataclass(frozen=True, slots=True)
class Question:
    """A request for the other side: where, and exactly what."""

    side: Side
    url: str  # scheme and authority
    method: str
    target: bytes
    headers: tuple[tuple[str, str], ...]
    body: bytes
    timeout: float  # seconds, for everything
    max_body: int  # bytes of the answer, as on the wire


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: an answer, or (`failure`) why there is none: timeout, error or too_large."""

    status: int = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    failure: str = ""
    detail: str = ""


class Asker(Protocol):
    """Asks the other side."""

    async def ask(self, question: Question) -> Reply:
        """The reply; never raises for what the other side does."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
