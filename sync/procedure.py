"""The steps of a flip, a resumption or an abort, done over both databases as `sync.core.flip` decides them.

Every pass of the loop reads both rows, decides, and does one thing. So it does not matter who did the step
before: this process, one that was killed, or one that did the same at the same time and was quicker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from sync.core import rounds as core
from sync.core.authority import Direction, Place, Situation, Standing, Swap, place
from sync.core.flip import Attempt, Decision, Goal, Step, decide
from sync.core.rounds import Named
from sync.core.values import Side
from sync.errors import Busy, DatabaseAway, Overtaken, SliceStopped, SyncError
from sync.ids import give_blocks
from sync.lag import FEW, LAG, PATIENCE
from sync.preflight import acked
from sync.recent import due, unfilled
from sync.relay import Sessions
from sync.rounds import Lane, Work, run_round
from sync.verify import compare

STALE = 1.0  # seconds in a transaction, after which another holder of the lease has stopped: it is ended
_LOOK = 0.005  # seconds before another look at what somebody else is busy with
_AGAIN = 0.1  # seconds before a database that is away is asked again

STEPS = (
    *("flip.close", "flip.closed", "flip.drain", "flip.drained", "flip.ids", "flip.verify", "flip.verified"),
    *("flip.intend", "flip.intended", "flip.open", "flip.opened"),
)
"""The step events of a flip between its announcement and its end, in order."""
ABORT_STEPS = ("flip.abort", "flip.aborted", "flip.reopen", "flip.reopened")
_PAST = {
    Step.CLOSE: "closed",
    Step.INTEND: "intended",
    Step.OPEN: "opened",
    Step.ABORT: "aborted",
    Step.REOPEN: "reopened",
}


class GaveUp(SyncError):
    """This flip cannot go on, for a reason that is in the data: it has to be aborted."""


class NotClosed(SyncError):
    """F1 had to wait too long for writers under way: nothing has changed."""


class Away(SyncError):
    """A side did not answer for so long that the procedure was left as it is."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. While both sides are closed nobody can write: `drain` bounds that, `away` only the asking."""

    close: float = 1.0  # F1, for writers under way: fifteen of 50 ms each took 11 to 52 ms (measured)
    drain: float = 5.0  # from F1 to F5; then the flip is aborted
    lag: float = PATIENCE  # before it begins, for a follower that catches up
    max_lag: float = LAG  # that what is pending may wait when it begins
    away: float = 20.0  # for a database that does not answer, or is locked, while a flip is half done


def _no_step(_name: str) -> None:
    """Tests that kill at a step give their own."""


@dataclass(slots=True)
class Procedure:
    """One try. `accepted` are quarantined keys that a person has excepted by name."""

    both: Sessions
    patience: Patience = field(default_factory=Patience)
    accepted: Collection[Named] = ()
    step: Callable[[str], None] = _no_step
    given: Collection[str] = ()  # entities that have their block of integers already
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    goal: Goal = Goal.RESUME
    final: Place | None = None  # where the slice stands since this process opened a side
    closed_at: float | None = None
    ended_at: float | None = None
    rounds: int = 0
    compared: int = 0

    @property
    def name(self) -> str:
        """The slice."""
        return self.both.pair.spec.name

    @property
    def paused(self) -> float:
        """For how long nobody could write, as far as this process caused or saw it."""
        return 0.0 if self.closed_at is None else (self.ended_at or self.clock()) - self.closed_at

    def run(self, goal: Goal, attempt: Attempt | None = None) -> Decision:
        """Step by step to DONE or LOST. Raises GaveUp or SliceStopped (abort it), NotClosed, Away.

        DatabaseAway: before F1, so nothing has been changed.
        """
        self.goal = goal
        stuck_since: float | None = None
        while True:
            try:
                decision = self._next(goal, attempt)
                if decision.swap is None:
                    return decision
                if self._swap(decision) and decision.step in (Step.OPEN, Step.REOPEN):
                    return self._opened(decision.swap)
                stuck_since = None
            except (Overtaken, Busy) as error:  # somebody else has a lock, or was quicker: look again
                stuck_since = stuck_since or self.clock()
                self._bounded(error, stuck_since)
                self.sleep(_LOOK)
            except DatabaseAway as error:
                self.both.forget()
                if self.closed_at is None and goal is Goal.FLIP:
                    raise  # nothing has been changed
                stuck_since = stuck_since or self.clock()
                self._bounded(error, stuck_since)  # whether the last swap happened the rows will say
                self.sleep(_AGAIN)

    def _opened(self, swap: Swap) -> Decision:
        self.ended_at = self.clock()
        self.final = Place(swap.side, swap.new.epoch, Situation.STEADY)
        return Decision(Step.DONE, sentence=f"{swap.side} is open in epoch {swap.new.epoch}")

    def _bounded(self, error: SyncError, since: float) -> None:
        self._too_late(error)
        if self.clock() - since > self.patience.away:
            raise Away(f"{self.name}: {error}") from error

    def _too_late(self, error: Exception | None = None) -> None:
        """A flip is bounded, for nobody can write; what brings it to its end, or takes it back, is not."""
        if self.goal is Goal.FLIP and self.paused > self.patience.drain:
            raise GaveUp(f"{self.name}: {error or f'not done within {self.patience.drain:g} s'}")

    def _next(self, goal: Goal, attempt: Attempt | None) -> Decision:
        while True:
            standing = self.both.standing()
            decision = decide(standing, goal, drained=False, attempt=attempt)
            if decision.step is not Step.DRAIN:
                return decision
            if self._drained(standing):
                return decide(standing, goal, drained=True, attempt=attempt)

    # -- one compare-and-set -------------------------------------------------------------------------------

    def ping(self, attempt: Attempt) -> None:
        """NotClosed or DatabaseAway when the follower takes no writes: better known before F1 than after."""
        end = self.clock() + self.patience.drain
        session = self.both.on(attempt.target)
        while True:
            try:
                session.keep_progress(self.name, ())
                with session.begin_round(self.name, self.both.holder, attempt.epoch):
                    return
            except Busy as error:
                if self.clock() > end:
                    raise NotClosed(
                        f"{self.name}: the {attempt.target} side takes no writes: {error}"
                    ) from error
                self.end_stopped(attempt.target)

    def _swap(self, decision: Decision) -> bool:
        swap, step = decision.swap, decision.step
        if swap is None:
            return False
        self.step(f"flip.{step.value}")
        if step is Step.CLOSE:
            self.both.on(swap.side.other).keep_progress(self.name, ())  # it still answers
            self.closed_at = self.clock()
        deadline = self.patience.close if step is Step.CLOSE else STALE
        try:
            done = self.both.on(swap.side).swap(self.name, swap.expected, swap.new, deadline)
        except Busy as error:
            if step is Step.CLOSE:
                self.closed_at = None
                raise NotClosed(f"{self.name}: {error}") from error
            self.end_stopped(swap.side)
            raise
        if done:
            self.step(f"flip.{_PAST[step]}")
        return done

    def end_stopped(self, side: Side) -> None:
        """Somebody holds the lease row: who does so for a second was stopped (SIGSTOP, a lost machine)."""
        self.both.pair.on(side).terminate(self.name, self.both.holder, STALE)
        self.sleep(_LOOK)

    # -- F2 and F3 -------------------------------------------------------------------------------------------

    def _drained(self, standing: Standing) -> bool:
        """Rounds until nothing is pending; False when the rows have changed meanwhile: decide again."""
        here = place(standing)
        if here is None:  # then nothing was decided
            return False
        if self.closed_at is None:
            self.closed_at = self.clock()  # somebody else closed it: at the latest now
        lane = self.both.lane(Direction(here.authority, here.epoch, True), self.step)
        self.step("flip.drain")
        intended = here.situation is not Situation.CLOSED
        changed = self._look(lane, here.follower if intended else here.authority)
        while lane.authority.has_pending(self.name, acked(lane)):
            if not self._round(lane) and self.both.standing() != standing:
                return False
            self._too_late()
        self.step("flip.drained")
        self._check_held(lane)
        if not intended:
            self._before_intent(here, lane, changed)
        return True

    def _look(self, lane: Lane, side: Side) -> Collection[Named]:
        """Fence and stamp: of the authority before it is drained, of the follower before it opens.

        The keys that were pending on the authority when its writers were shut out.
        """
        session = self.both.on(side)
        if session.fence_open(self.name):
            session.mend_fence(self.name)
        if session.fence_open(self.name):
            raise GaveUp(
                f"{self.name}: the {side} side is closed by its row, but its triggers let writers pass; run "
                f"`strangler capture install {self.name}`"
            )
        with session.snapshot(self.name) as view:
            if not view.stamp.whole:
                raise GaveUp(
                    f"{self.name}: tables or triggers of the {side} side changed since capture was installed "
                    f"(a migration ran?); look at them, then `strangler capture install {self.name}`"
                )
            if side is not lane.source:
                return ()
            return core.marked(lane.spec, lane.source, list(view.pending(acked(lane), FEW + 1)))

    def _round(self, lane: Lane) -> bool:
        """One round of our own; False when somebody else was in the way."""
        try:
            run_round(lane, Work())
        except Overtaken:
            self.sleep(_LOOK)
            return False
        except Busy:
            self.end_stopped(lane.source.other)
            return False
        self.rounds += 1
        return True

    def _check_held(self, lane: Lane) -> None:
        held = [
            each for each in lane.follower.held(self.name) if (each.entity, each.key) not in self.accepted
        ]
        if held:
            raise GaveUp(
                f"{self.name}: {len(held)} keys could not be applied (first: "
                f"{core.spelled((held[0].entity, held[0].key))}: {held[0].error}); mend, then "
                f"`strangler redrive {self.name}`"
            )

    def _before_intent(self, here: Place, lane: Lane, changed: Collection[Named]) -> None:
        if here.follower is Side.EXTRACTED:
            self.step("flip.ids")
            give_blocks(self.both, without=self.given)
            self._check_filled(lane)
        self.step("flip.verify")
        if len(changed) > FEW:
            raise GaveUp(f"{self.name}: more than {FEW:,} changes were pending; flip when it has caught up")
        unseen = due(lane, changed, bounded=self.goal is Goal.FLIP)
        if unseen is None:
            raise GaveUp(
                f"{self.name}: more than {FEW:,} keys have changed since they were compared; flip when fewer "
                f"are written, or first: strangler verify {self.name}"
            )
        for entity, keys in unseen.items():
            found = compare(lane, lane.spec.entity(entity), keys)
            self.compared += found.keys
            if not found.clean:
                raise GaveUp(f"{self.name}: {_differences(found.found, found.unsettled)}")
        self.step("flip.verified")

    def _check_filled(self, lane: Lane) -> None:
        """Again, now that nobody writes: capture may have been away since the preflight."""
        bare = unfilled(lane)
        if bare:
            raise GaveUp(f"{self.name}: {bare} is not backfilled any more: `strangler backfill {self.name}`")


def _differences(found: Collection[object], unsettled: Collection[object]) -> str:
    what = next(iter((*found, *unsettled)))
    return f"{len(found) + len(unsettled)} of the keys that changed last differ (first: {what})"


NEEDS_ABORT = (GaveUp, SliceStopped)
