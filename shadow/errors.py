"""What can go wrong in this room, by whose fault it is."""

from __future__ import annotations


class ShadowError(Exception):
    """The root: its message says what happened, where, and what to do next."""


class TapError(ShadowError):
    """The tap's socket cannot be used."""


class EvidenceError(ShadowError):
    """The evidence store is away, full, locked or not writable; what is counted stays in memory meanwhile."""


class EvidenceTakenOver(EvidenceError):
    """Another shadow process writes this evidence now; two would overwrite each other's counts."""
