"""Through what this room reaches the outside: the evidence store, and the candidate's answers."""

from __future__ import annotations

from typing import Protocol


class EvidenceStore(Protocol):
    """Where the evidence is kept. Blocking; raises EvidenceError."""

    def close(self) -> None:
        """Let go of connections."""
        ...
