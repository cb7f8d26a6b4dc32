"""The running sums of a shadow process: counts, sessions, findings, and which of it must be written.

Time and chance come in as arguments. Nothing here grows with the traffic: sessions, findings and samples are
bounded, and what does not fit is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from shadow.core.chance import Chance
from shadow.core.count import MISMATCH, Count, Observation
from shadow.core.differences import Difference, finding_id
from shadow.core.rows import (
    CHANGING,
    NEVER,
    SMALLEST,
    Batch,
    CountKey,
    FindingRow,
    SampleRow,
    SessionRow,
    Snapshot,
)
from shadow.core.sketch import KeySketch

MAX_SESSIONS = 100_000  # about 60 MB; more at once are no trials, and are counted
MAX_FINDINGS = 200  # of one count; more go into one finding "(elsewhere)" for each kind
MAX_COUNTS = 64  # of one route; a build that changes with every answer must not start counts without end
_OLD = 3600.0  # seconds without an exchange after which a count makes room for a new one
_RANDOM_SLOTS = 5


@dataclass(frozen=True, slots=True)
class SampleWanted:
    """Tells the caller to build and keep a sample of this exchange."""

    count_id: str
    finding_id: str
    slot: int
    difference: Difference


class Tally:
    """Everything counted; `changes` gives what to write, `written` says it was."""

    def __init__(self, snapshot: Snapshot, rng: Chance) -> None:
        """Go on from what was stored."""
        self._rng = rng
        self.counts = {row.key.id: Count.of(row) for row in snapshot.counts}
        self._sessions = {(row.count_id, row.key): row for row in snapshot.sessions}
        self._findings = {(row.count_id, row.id): row for row in snapshot.findings}
        self._sketches = {key: KeySketch(row.detail["keys"]) for key, row in self._findings.items()}
        self._per_count: dict[str, int] = {}
        for count_id, _ in self._findings:
            self._per_count[count_id] = self._per_count.get(count_id, 0) + 1
        self._smallest = {(c, f): size for c, f, slot, size in snapshot.sample_slots if slot == SMALLEST}
        self._samples: dict[tuple[str, str, int], SampleRow] = {}
        self._put_away: set[str] = set()
        self._dirty_counts: set[str] = set()
        self._dirty_sessions: set[tuple[str, str]] = set()
        self._dirty_findings: set[tuple[str, str]] = set()
        self._closed: set[tuple[str, str]] = set()

    @property
    def open_sessions(self) -> int:
        """How many sessions are open."""
        return len(self._sessions)

    def count_for(self, key: CountKey, at: float) -> Count:
        """The count of `key`, started at `at` if there is none yet."""
        count = self.counts.get(key.id)
        if count is None and (key.id in self._put_away or not self._make_room(key.route, at)):
            # Begun anew under its old name it would overwrite what is stored of it, mismatches included.
            key = CountKey(key.route, CHANGING, CHANGING, key.rules_hash)
            count = self.counts.get(key.id)
        if count is None:
            count = self.counts[key.id] = Count(key, at)
        self._dirty_counts.add(count.id)
        return count

    def _make_room(self, route: str, at: float) -> bool:
        mine = [count for count in self.counts.values() if count.key.route == route]
        if len(mine) < MAX_COUNTS:
            return True
        oldest = min(mine, key=lambda count: count.last)
        if at - oldest.last < _OLD or oldest.id in self._dirty_counts:
            return False
        del self.counts[oldest.id]  # what is stored of it stays stored
        self._put_away.add(oldest.id)
        return True

    def latest(self, route: str, rules_hash: str) -> Count:
        """The route's count that saw an exchange last, or one with unknown builds that saw none."""
        newest = self.newest(route, rules_hash)
        return newest or self.count_for(CountKey(route, "", "", rules_hash), NEVER)

    def newest(self, route: str, rules_hash: str) -> Count | None:
        """The route's count that saw an exchange last, if there is any."""
        mine = [
            count
            for count in self.counts.values()
            if count.key.route == route and count.key.rules_hash == rules_hash
        ]
        return max(mine, key=lambda count: count.last, default=None)

    def observe(self, count: Count, seen: Observation) -> list[SampleWanted]:
        """Add one exchange; returns the samples to keep of it."""
        self._dirty_counts.add(count.id)
        count.observe(seen)
        found = self._find(count, seen)
        if seen.key is not None:
            self._draw(count, seen, tuple(found))
        return self._wanted(count, seen, found)

    # -- sessions ----------------------------------------------------------------------------------

    def _draw(self, count: Count, seen: Observation, findings: tuple[str, ...]) -> None:
        """Keep one exchange of the session, each with the same chance (reservoir of one)."""
        place = (count.id, seen.key or "")
        known = self._sessions.get(place)
        if known is None:
            if len(self._sessions) >= MAX_SESSIONS:
                count.overflow += 1
                return
            session = SessionRow(*place, seen.at, seen.at, 1, seen.outcome, findings)
        else:
            session = _drawn(known, seen, findings, self._rng.randrange(known.seen + 1) == 0)
        self._sessions[place] = session
        self._dirty_sessions.add(place)
        self._closed.discard(place)

    def close_sessions(
        self, now: float, idle: float, longest: float, busy: Callable[[str, str], bool]
    ) -> int:
        """Close what ended and is not `busy(count id, key)` with an exchange under way; returns how many."""
        ended = [
            place
            for place, session in self._sessions.items()
            if (now - session.last >= idle or now - session.first >= longest) and not busy(*place)
        ]
        for place in ended:
            self._close(place)
        return len(ended)

    def _close(self, place: tuple[str, str]) -> None:
        session = self._sessions.pop(place)
        self._dirty_sessions.discard(place)
        self._closed.add(place)
        count = self.counts.get(session.count_id)
        if count is None:
            return
        self._dirty_counts.add(count.id)
        count.trial(session.outcome, session.last)
        for finding in session.findings if session.outcome == MISMATCH else ():
            key = (session.count_id, finding)
            if key in self._findings:
                row = self._findings[key]
                self._findings[key] = replace(row, trials=row.trials + 1)
                self._dirty_findings.add(key)

    # -- findings ----------------------------------------------------------------------------------

    def _find(self, count: Count, seen: Observation) -> dict[str, Difference]:
        """The findings of one exchange, each with one difference that stands for it."""
        found: dict[str, Difference] = {}
        for difference in seen.differences:
            name = finding_id(count.key.route, difference)
            if (count.id, name) not in self._findings and self._per_count.get(count.id, 0) >= MAX_FINDINGS:
                difference = replace(difference, place="(elsewhere)", types="")
                name = finding_id(count.key.route, difference)
            if name not in found:
                found[name] = difference
                self._note(count, name, difference, seen)
        return found

    def _note(self, count: Count, name: str, difference: Difference, seen: Observation) -> None:
        key = (count.id, name)
        row = self._findings.get(key)
        if row is None:
            self._per_count[count.id] = self._per_count.get(count.id, 0) + 1
            self._sketches[key] = KeySketch()
            row = FindingRow(
                count.id,
                name,
                count.key.route,
                difference.place,
                difference.kind.value,
                difference.impact.value,
                difference.types,
                0,
                0,
                seen.at,
                seen.at,
                {"keys": []},
            )
        if seen.key is not None:
            self._sketches[key].add(int(seen.key, 16))
        self._findings[key] = replace(
            row, exchanges=row.exchanges + 1, first=min(row.first, seen.at), last=max(row.last, seen.at)
        )
        self._dirty_findings.add(key)

    def _wanted(self, count: Count, seen: Observation, found: dict[str, Difference]) -> list[SampleWanted]:
        wanted: list[SampleWanted] = []
        for name, difference in found.items():
            key = (count.id, name)
            nth = self._findings[key].exchanges
            slot = nth - 1 if nth <= _RANDOM_SLOTS else self._rng.randrange(nth)
            if slot < _RANDOM_SLOTS:
                wanted.append(SampleWanted(count.id, name, slot, difference))
            if seen.size < self._smallest.get(key, seen.size + 1):
                self._smallest[key] = seen.size
                wanted.append(SampleWanted(count.id, name, SMALLEST, difference))
        return wanted

    def keep(self, sample: SampleRow) -> None:
        """Take a built sample."""
        self._samples[(sample.count_id, sample.finding_id, sample.slot)] = sample

    # -- losses and writing ------------------------------------------------------------------------

    def lose(self, count: Count, reason: str, exchanges: int) -> None:
        """Add exchanges that were tapped and of which nothing else is known."""
        if exchanges > 0:
            self._dirty_counts.add(count.id)
            count.lose(reason, exchanges)

    def injected(self, count: Count, caught: bool) -> None:
        """A synthetic difference went through the comparison."""
        self._dirty_counts.add(count.id)
        count.injected += 1
        count.caught += caught

    def changes(self) -> Batch:
        """What changed since the last `written`; asking again without it gives the same and more."""
        return Batch(
            counts=tuple(self.counts[count_id].row() for count_id in sorted(self._dirty_counts)),
            findings=tuple(self._finding_row(key) for key in sorted(self._dirty_findings)),
            samples=tuple(self._samples.values()),
            sessions=tuple(self._sessions[place] for place in sorted(self._dirty_sessions)),
            closed=tuple(sorted(self._closed)),
        )

    def taken(self) -> None:
        """The batch just given out is on its way: what changes from now on belongs to the next one."""
        self._dirty_counts.clear()
        self._dirty_findings.clear()
        self._dirty_sessions.clear()
        self._samples.clear()
        self._closed.clear()

    def refused(self, batch: Batch) -> None:
        """The batch could not be written: all of it is to be written again."""
        self._dirty_counts.update(row.key.id for row in batch.counts)
        self._dirty_findings.update((row.count_id, row.id) for row in batch.findings)
        self._dirty_sessions.update(_still(batch.sessions, self._sessions))
        self._closed.update(place for place in batch.closed if place not in self._sessions)
        for sample in batch.samples:
            self._samples.setdefault((sample.count_id, sample.finding_id, sample.slot), sample)

    def _finding_row(self, key: tuple[str, str]) -> FindingRow:
        return replace(self._findings[key], detail={"keys": self._sketches[key].kept()})


def _drawn(known: SessionRow, seen: Observation, findings: tuple[str, ...], take: bool) -> SessionRow:
    first, last = min(known.first, seen.at), max(known.last, seen.at)
    session = replace(known, first=first, last=last, seen=known.seen + 1)
    return replace(session, outcome=seen.outcome, findings=findings) if take else session


def _still(
    rows: Iterable[SessionRow], sessions: dict[tuple[str, str], SessionRow]
) -> Iterable[tuple[str, str]]:
    return [(row.count_id, row.key) for row in rows if (row.count_id, row.key) in sessions]
