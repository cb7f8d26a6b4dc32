"""Who writes to a slice's tables, and whom a flip would refuse."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sync.core.records import Writer

DAY = 86_400.0
DAYS = 30  # a monthly job is the slowest that people forget
UNKNOWN = "unknown"  # what an engine says that cannot name its writers (SQLite)
OURS = "strangler"  # marks that we set ourselves, of every row, when capture comes back after a gap (SQLite)


@dataclass(frozen=True, slots=True)
class Refused:
    """One writer that keeps writing to the side which a flip closes; `owner` "" when nobody is declared."""

    name: str
    rows_per_day: float
    last: float
    owner: str = ""

    def __str__(self) -> str:
        """`celery@billing 412 rows/day (owner: payments)`."""
        owner = f" (owner: {self.owner})" if self.owner else ""
        return f"{self.name} {_number(self.rows_per_day)} rows/day{owner}"


@dataclass(frozen=True, slots=True)
class Forecast:
    """Those that a flip would refuse, the busiest first, and the sentence about them."""

    refused: tuple[Refused, ...] = ()
    named: bool = True  # False: this engine does not say who wrote

    @property
    def sentence(self) -> str:
        """One sentence, ready for the preflight."""
        if not self.named:
            return "this database does not say who writes: look for jobs and scripts that bypass the facade"
        if not self.refused:
            return "no writer was seen that this flip would refuse"
        many = f"{len(self.refused)} writers" if len(self.refused) > 1 else "1 writer"
        return f"after this flip {many} would be refused: " + ", ".join(str(each) for each in self.refused)


def forecast(
    writers: Iterable[Writer],
    now: float,
    *,
    moving: Collection[str] = (),
    owners: Mapping[str, str] | None = None,
    days: float = DAYS,
) -> Forecast:
    """From what was captured on the authority in the last `days`.

    `moving` are patterns (fnmatch) of writers that the facade takes along: the application's own role.
    `owners` maps patterns to whoever has promised to see to that writer.
    """
    totals: dict[str, list[Writer]] = {}
    for each in writers:
        if each.name != OURS and now - each.last <= days * DAY:
            totals.setdefault(each.name, []).append(each)
    named = not totals or set(totals) != {UNKNOWN}
    refused = [
        _refused(name, seen, owners or {})
        for name, seen in totals.items()
        if name != UNKNOWN and not _any(moving, name)
    ]
    refused.sort(key=lambda each: (-each.rows_per_day, each.name))
    return Forecast(tuple(refused), named)


def _refused(name: str, seen: Iterable[Writer], owners: Mapping[str, str]) -> Refused:
    seen = list(seen)
    first, last = min(each.first for each in seen), max(each.last for each in seen)
    days = max(1.0, (last - first) / DAY)  # what was seen for less than a day is told as that day's
    owner = next((owner for pattern, owner in owners.items() if fnmatchcase(name, pattern)), "")
    return Refused(name, sum(each.rows for each in seen) / days, last, owner)


def _any(patterns: Collection[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _number(rows: float) -> str:
    return f"{rows:,.0f}" if rows >= 1 else "less than 1"
