"""What the capture audit says: one finding per hole, with its cure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """A known hole: `code` is stable, `fatal` refuses to install or flip, else it is a warning."""

    code: str
    where: str
    what: str
    cure: str
    fatal: bool = True

    def __str__(self) -> str:
        """`where: what; cure`."""
        return f"{self.where}: {self.what}; {self.cure}"
