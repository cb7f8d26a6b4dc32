"""One count while it grows: trials, outcomes, and everything seen on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from shadow.core.differences import Difference
from shadow.core.rows import NEVER, CountKey, CountRow
from shadow.core.sketch import KeySketch

MATCH, MISMATCH, ACCEPTED = "match", "mismatch", "accepted"
EXCUSED, UNDECIDED, LOST = "excused", "undecided", "lost"
OUTCOMES = (MATCH, MISMATCH, ACCEPTED, EXCUSED, UNDECIDED, LOST)
TRIALS = frozenset({MATCH, MISMATCH, ACCEPTED})  # only these count in n

# Lost before the candidate was asked: for reasons that cannot depend on its answer, so they are only shown.
# `no_turn` is none of them: a candidate that hangs keeps the turns, and its worst hour would leave no trace.
EARLY = frozenset(
    {"busy", "not_modified", "partial", "loop", "method", "route_unknown", "legacy_has_effects"}
)

_MOST_NAMES = 50  # shapes, ignored headers: clients and servers can invent them without end
_ELSE = "(others)"


@dataclass(frozen=True, slots=True)
class Observation:
    """One accounted exchange: what came of it and what it says about coverage."""

    at: float  # epoch seconds
    outcome: str
    reason: str = ""  # of undecided and lost
    key: str | None = None  # 16 hex digits; None: no signed key, so never a trial
    differences: tuple[Difference, ...] = ()
    status: int = 0
    shape: str = ""
    size: int = 0
    fired: tuple[str, ...] = ()
    turned: tuple[str, ...] = ()
    ignored_headers: tuple[str, ...] = ()


class Count:
    """The numbers of one CountKey."""

    def __init__(self, key: CountKey, at: float) -> None:
        """Start counting at `at`."""
        self.key, self.id = key, key.id
        self.n = self.k = self.undrawn = self.unkeyed = self.overflow = self.injected = self.caught = 0
        self.first = self.last = at
        self.last_trial: float | None = None
        self.outcomes: Counter[str] = Counter()
        self.undecided: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.fired: Counter[str] = Counter()
        self.turned: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.shapes: Counter[str] = Counter()
        self.ignored: Counter[str] = Counter()
        self.keys = KeySketch()

    @classmethod
    def of(cls, row: CountRow) -> Count:
        """Go on where a stored count ended."""
        count, detail = cls(row.key, row.first), row.detail
        count.n, count.k, count.last, count.last_trial = row.n, row.k, row.last, row.last_trial
        for name in _NUMBERS:
            setattr(count, name, int(detail[name]))
        for name in _COUNTERS:
            setattr(count, name, Counter(detail[name]))
        count.keys = KeySketch(detail["keys"])
        return count

    def row(self) -> CountRow:
        """What to store."""
        detail = {name: getattr(self, name) for name in _NUMBERS}
        detail |= {name: dict(getattr(self, name)) for name in _COUNTERS}
        detail["keys"] = self.keys.kept()
        return CountRow(self.key, self.n, self.k, self.first, self.last, self.last_trial, detail)

    def observe(self, seen: Observation) -> None:
        """Add one exchange to everything but the trials."""
        first = seen.at if self.first == NEVER else self.first
        self.first, self.last = min(first, seen.at), max(self.last, seen.at)
        self.outcomes[seen.outcome] += 1
        if seen.outcome == UNDECIDED:
            self.undecided[seen.reason] += 1
        if seen.outcome == LOST:
            self.lost[seen.reason] += 1
        self.fired.update(seen.fired)
        self.turned.update(seen.turned)
        self.ignored.update(_known(self.ignored, seen.ignored_headers))
        if seen.status:
            self.statuses[f"{seen.status // 100}xx"] += 1
            self.shapes.update(_known(self.shapes, (seen.shape,)))
        if seen.key is None:
            self.unkeyed += 1
        else:
            self.keys.add(int(seen.key, 16))

    def lose(self, reason: str, exchanges: int) -> None:
        """Add exchanges of which nothing is known but that they were tapped."""
        self.outcomes[LOST] += exchanges
        self.lost[reason] += exchanges

    def trial(self, outcome: str, at: float) -> None:
        """A session closed: what was drawn from it is one trial, or none."""
        if outcome not in TRIALS:
            self.undrawn += 1
            return
        self.n += 1
        self.k += outcome == MISMATCH
        self.last_trial = max(at, self.last_trial or at)


_NUMBERS = ("undrawn", "unkeyed", "overflow", "injected", "caught")
_COUNTERS = ("outcomes", "undecided", "lost", "fired", "turned", "statuses", "shapes", "ignored")


def _known(counter: Counter[str], names: Iterable[str]) -> list[str]:
    return [name if name in counter or len(counter) < _MOST_NAMES else _ELSE for name in names]
