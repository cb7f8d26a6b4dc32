"""F0: everything that is known before a flip, looked at without changing anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from sync.capture import audit
from sync.core import rounds as core
from sync.core.flip import Attempt, Step, begin
from sync.core.forecast import DAY, Forecast, forecast
from sync.core.records import Progress
from sync.core.rounds import Named
from sync.core.values import Side
from sync.errors import SyncError
from sync.lag import LAG, Lag, measure
from sync.life import life
from sync.rehearsal import backwards, openings
from sync.relay import Sessions
from sync.rounds import Lane

NOT_TRIED = ("each write route against a closed fence (not yet: try in a test that it answers 503)",)
Found = Iterator[tuple[bool, str]]  # whether it blocks, and the sentence
_SPLITS = frozenset({"key-out", "key-in", "transaction-across"})
_PER_ROUND = 0.03  # seconds, of a small round with its commit
_RATE = 5000.0  # rows a second that a relay settles at least


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a flip would meet. `attempt` None: it may not begin, or there is nothing to do (`done`)."""

    slice: str
    target: Side
    attempt: Attempt | None = None
    done: str = ""
    blockers: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    expected_pause_s: float = 0.0
    writers: Forecast = field(default_factory=Forecast)

    @property
    def sentence(self) -> str:
        """One sentence: `takes about 0.3 s, loses nothing; …` or `blocked by …`."""
        if self.done:
            return self.done
        if self.blockers:
            return "blocked by " + "; ".join(self.blockers)
        return f"takes about {self.expected_pause_s:.1f} s, loses nothing; {self.writers.sentence}"

    @property
    def refused_writers(self) -> tuple[str, ...]:
        """Whom the flip would refuse, ready to be shown."""
        return tuple(str(each) for each in self.writers.refused)


def preflight(
    both: Sessions,
    target: Side,
    accepted: Collection[Named] = (),
    *,
    unverified: bool = False,
    now: float = 0.0,
    lag: Lag | None = None,
    max_lag: float = LAG,
    tell: Callable[[str], None] = lambda _sentence: None,
) -> Preflight:
    """Look at both sides. `accepted`: quarantined keys that a person has excepted by name; `unverified`: a
    person takes the risk that no pass of verify is fresh. `lag`: if it has been measured already;
    `max_lag`: seconds that it may be; `tell` takes a sentence while it is waited for.
    """
    name, now = both.pair.spec.name, now or time.time()
    began = time.monotonic()
    try:
        begun = begin(both.standing(), target)
    except SyncError as error:
        return Preflight(name, target, blockers=(str(error),))
    asked = time.monotonic() - began
    if not isinstance(begun, Attempt):
        if begun.step is Step.DONE:
            return Preflight(name, target, done=begun.sentence)
        return Preflight(name, target, blockers=(begun.sentence.replace("SLICE", name),))
    lane = both.lane()
    writers, waiting = Forecast(), 0
    try:
        writers = _forecast(both, lane, now)
        found = list(_look(both, lane, accepted, unverified, now))
        found += _lagging(lane, lag, max_lag, tell, useless=any(blocks for blocks, _ in found))
        waiting = pending(lane)
    except SyncError as error:
        found = [(True, str(error))]
    return Preflight(
        name,
        target,
        begun,
        blockers=tuple(text for blocks, text in found if blocks),
        warnings=tuple(text for blocks, text in found if not blocks),
        expected_pause_s=8 * asked + 2 * _PER_ROUND + waiting / _RATE,
        writers=writers,
    )


def _lagging(
    lane: Lane, lag: Lag | None, limit: float, tell: Callable[[str], None], *, useless: bool
) -> Found:
    """Waited for only where nothing else is in the way."""
    if lag is None and not useless:
        lag = measure(lane, limit=limit, tell=tell)
    if lag is not None and not lag.small:
        yield not lag.harmless, lag.sentence


def acked(lane: Lane) -> int:
    """Up to where the authority's outbox counts as read, where that is kept on the follower."""
    return lane.follower.seen(lane.spec.name).acked_seq if lane.acks_on_follower else 0


def pending(lane: Lane) -> int:
    """How many changes wait."""
    return lane.authority.pending(lane.spec.name, acked(lane))[0]


def _look(both: Sessions, lane: Lane, accepted: Collection[Named], unverified: bool, now: float) -> Found:
    for finding in (each for found in audit(both).findings.values() for each in found):
        if finding.fatal or finding.code in _SPLITS:
            # A slice is a transaction boundary. The way back does not wait for a boundary that was wrong.
            yield finding.fatal or lane.source is Side.LEGACY, str(finding)
    yield from _stamps(both)
    became = life(lane)
    if became.stop:
        yield True, became.sentence.replace("SLICE", lane.spec.name)
    yield from _held(lane, accepted)
    yield from _evidence(lane, unverified, now)
    yield from openings(both)
    yield from backwards(lane)


def _stamps(both: Sessions) -> Found:
    name = both.pair.spec.name
    for side in Side:
        with both.on(side).snapshot(name) as view:
            whole = view.stamp.whole
        if not whole:
            yield (
                True,
                (
                    f"tables or triggers of the {side} side that changed since capture was installed: "
                    f"look at `strangler capture audit {name}`, then `strangler capture install {name}`"
                ),
            )


def _held(lane: Lane, accepted: Collection[Named]) -> Found:
    name = lane.spec.name
    held = [each for each in lane.follower.held(name) if (each.entity, each.key) not in accepted]
    if held:
        first = core.spelled((held[0].entity, held[0].key))
        many = f"{len(held)} quarantined key{'s' if len(held) > 1 else ''}"
        yield (
            True,
            (f"{many} (first: {first}: {held[0].error}): mend, then `strangler redrive {name}`"),
        )
    wrong = lane.follower.mismatches(name)
    if wrong:
        many = f"{len(wrong)} proven difference{'s' if len(wrong) > 1 else ''}"
        yield True, f"{many}: `strangler repair {name} --all`"


def _evidence(lane: Lane, unverified: bool, now: float) -> Found:
    """Backfill and verify. On the way back they only warn: a rollback must not wait for evidence."""
    blocks, name = lane.source is Side.LEGACY, lane.spec.name
    walks = {(each.walk, each.entity): each for each in lane.follower.progress(name)}
    for entity in lane.spec.entities:
        filled = walks.get(("backfill", entity.name))
        if blocks and not (filled and filled.finished):
            yield True, f"{entity.name}, which is not backfilled: `strangler backfill {name}`"
        seen = walks.get(("verify", entity.name))
        if not _fresh(seen, now):
            yield (
                blocks and not unverified,
                f"{entity.name}, which was not verified within a day: `strangler verify {name}`",
            )


def _fresh(seen: Progress | None, now: float) -> bool:
    return bool(seen and seen.passes and now - seen.at <= DAY)


def _forecast(both: Sessions, lane: Lane, now: float) -> Forecast:
    options = both.pair.options
    return forecast(
        lane.authority.writers(lane.spec.name),
        now,
        moving=options.get("moving", ()),
        owners=options.get("owners", {}),
    )
