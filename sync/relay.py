"""The relay of one slice: round after round, in the one direction that the authority rows allow."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sync.core.authority import Direction, Standing, broken, direction
from sync.core.values import Side
from sync.errors import Busy, DatabaseAway, NotCaptured, Overtaken, SliceStopped, SyncError
from sync.ports import Pair, Session
from sync.rounds import ROUND_LIMIT, Lane, RoundResult, Step, Work, run_round

IDLE_WAIT = (
    0.02  # seconds between looks at an empty outbox: a wake costs one question, and comes within 50 ms
)
_EPOCH_EVERY = 5  # quiet looks: a flip is seen a tenth of a second later, an empty outbox costs a third
_BUSY_WAIT = 0.05
_AWAY_WAIT = 1.0
_TOO_LONG = 4.0  # seconds: a little less than a follower's database lets a round sit idle
_STOPPED_WAIT = 5.0  # a stopped slice is looked at again, so that a cure needs no restart


@dataclass(slots=True)
class Sessions:
    """A session on either side, opened when first asked for and thrown away after an error."""

    pair: Pair
    holder: str
    _open: dict[Side, Session] = field(default_factory=dict)

    def on(self, side: Side) -> Session:
        """The session on `side`; DatabaseAway."""
        session = self._open.get(side)
        if session is None:
            session = self._open[side] = self.pair.on(side).session(self.holder)
        return session

    def forget(self) -> None:
        """Close both: what a broken connection still holds is given up with it."""
        for session in self._open.values():
            with contextlib.suppress(DatabaseAway):
                session.close()
        self._open.clear()

    def standing(self) -> Standing:
        """The authority rows of both sides; NotCaptured when one has none."""
        name = self.pair.spec.name
        legacy, extracted = self.on(Side.LEGACY).authority(name), self.on(Side.EXTRACTED).authority(name)
        if legacy is None or extracted is None:
            bare = Side.LEGACY if legacy is None else Side.EXTRACTED
            raise NotCaptured(
                f"{name}: capture is not installed on the {bare} side; run: strangler capture install {name}"
            )
        return Standing(legacy, extracted)

    def direction(self) -> Direction:
        """Where data flows now; SliceStopped when the two rows do not belong together."""
        standing = self.standing()
        found = direction(standing.legacy, standing.extracted)
        if found is None:
            raise SliceStopped(f"{self.pair.spec.name}: {broken(standing)}")
        return found

    def lane(self, found: Direction | None = None, step: Step | None = None) -> Lane:
        """The lane of this direction (now's, when none is given)."""
        found = found or self.direction()
        source = found.source
        lane = Lane(
            self.pair.spec,
            source,
            found.epoch,
            self.holder,
            self.on(source),
            self.on(source.other),
            self.pair.on(source).engine == "sqlite",
        )
        return dataclasses.replace(lane, step=step) if step else lane


@contextlib.contextmanager
def sessions(pair: Pair, holder: str) -> Iterator[Sessions]:
    """Sessions that are closed at the end."""
    both = Sessions(pair, holder)
    try:
        yield both
    finally:
        both.forget()


@dataclass(slots=True)
class Health:
    """What a relay says of itself: the last round, and the sentence that stopped it ("" while it goes)."""

    state: str = "starting"  # or running, idle, busy, away, stopped, not captured
    sentence: str = ""
    rounds: int = 0
    rows: int = 0
    last: RoundResult | None = None


class Relay:
    """Rounds of one slice until told to stop. One thread each; errors wait and try again, and are told."""

    def __init__(
        self,
        pair: Pair,
        holder: str,
        wait: Callable[[float], bool],
        tell: Callable[[Health], None] = lambda _health: None,
        step: Step | None = None,
    ) -> None:
        """`wait(seconds)` sleeps and says whether to stop."""
        self._both = Sessions(pair, holder)
        self._wait, self._tell, self._step = wait, tell, step
        self._lane: Lane | None = None
        self._limit = ROUND_LIMIT
        self._quiet = 0
        self.health = Health()

    def run(self) -> None:
        """Until `wait` says stop."""
        try:
            while not self._wait(self.once()):
                pass
        finally:
            self._both.forget()

    def once(self) -> float:
        """One round, or a look whether there is anything to do; the seconds to wait before the next."""
        try:
            return self._round()
        except Overtaken as error:
            self._lane = None
            return self._pause("busy", error, _BUSY_WAIT)
        except Busy as error:
            return self._pause("busy", error, _BUSY_WAIT)
        except SliceStopped as error:
            return self._restart("stopped", error, _STOPPED_WAIT)
        except NotCaptured as error:
            return self._restart("not captured", error, _STOPPED_WAIT)
        except DatabaseAway as error:
            return self._restart("away", error, _AWAY_WAIT)
        except SyncError as error:  # the plan and a table do not fit any more, or a database refuses us
            return self._restart("stopped", error, _STOPPED_WAIT)

    def _round(self) -> float:
        new = self._lane is None  # the databases may have been restored since: a round looks, pending or not
        lane = self._lane = self._lane or self._both.lane(step=self._step)
        if not new and not lane.authority.has_pending(lane.spec.name, self._acked(lane)):
            self._quiet += 1
            if self._quiet % _EPOCH_EVERY == 0:
                self._check_epoch(lane)
            self._say("idle")
            return IDLE_WAIT
        result = self._sized_round(lane)
        self.health.rounds += 1
        self.health.rows += result.put + result.taken
        self.health.last = result
        self._say("running")
        return 0.0 if result.pending else IDLE_WAIT / 4

    def _sized_round(self, lane: Lane) -> RoundResult:
        """One that died after seconds was too large (rows of megabytes, no memory): a quarter next."""
        began = time.monotonic()
        try:
            result = run_round(lane, Work(limit=self._limit))
        except (SyncError, MemoryError) as error:
            if isinstance(error, MemoryError) or time.monotonic() - began > _TOO_LONG:
                self._limit = max(1, self._limit // 4)
            if isinstance(error, MemoryError):
                raise DatabaseAway(
                    f"{lane.spec.name}: no memory for a round; it takes fewer rows next"
                ) from error
            raise
        self._limit = min(ROUND_LIMIT, 2 * self._limit)
        return result

    def _acked(self, lane: Lane) -> int:
        return lane.follower.seen(lane.spec.name).acked_seq if lane.acks_on_follower else 0

    def _check_epoch(self, lane: Lane) -> None:
        """An empty outbox may be one that nobody fills any more, because the other side is open now."""
        row = lane.authority.authority(lane.spec.name)
        if row is None or row.epoch != lane.epoch or not row.open:
            self._lane = None

    def _pause(self, state: str, error: Exception, seconds: float) -> float:
        self._say(state, str(error))
        return seconds

    def _restart(self, state: str, error: Exception, seconds: float) -> float:
        self._lane = None
        self._both.forget()
        return self._pause(state, error, seconds)

    def _say(self, state: str, sentence: str = "") -> None:
        changed = (state, sentence) != (self.health.state, self.health.sentence)
        self.health.state, self.health.sentence = state, sentence
        if changed:
            self._tell(self.health)
