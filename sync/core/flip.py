"""What a flip, a resumption or an abort may do next: a table of situations, one compare-and-set at a time.

The follower's row alone decides: `intent` becomes `open` or `aborted`, once. Whoever aborts records it there
first (over an intent, or where none was written yet), and only then may the authority open again, under a new
epoch. So a flipper that was stopped anywhere and wakes up finds its compare-and-set lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sync.core.authority import Place, Situation, Standing, Swap, broken, place
from sync.core.values import Authority, Phase, Side


class Goal(StrEnum):
    """What somebody is trying to do with the slice."""

    FLIP = "flip"  # from a steady authority to the other side
    RESUME = "resume"  # bring what is half done to its end
    ABORT = "abort"  # take back what is half done


class Step(StrEnum):
    """What comes next; all but the last three are one compare-and-set."""

    CLOSE = "close"  # F1, on the authority
    INTEND = "intend"  # F4, on the follower
    OPEN = "open"  # F5, on the follower: it is the authority from here on
    ABORT = "abort"  # on the follower: it may not open any more
    REOPEN = "reopen"  # on the authority, under a new epoch
    DRAIN = "drain"  # rounds first: something may be pending
    DONE = "done"
    LOST = "lost"  # somebody else went first, or it may not be done


STEPS: dict[tuple[Situation, Goal], Step] = {
    (Situation.STEADY, Goal.FLIP): Step.CLOSE,
    (Situation.STEADY, Goal.RESUME): Step.DONE,
    (Situation.STEADY, Goal.ABORT): Step.DONE,
    (Situation.CLOSED, Goal.FLIP): Step.INTEND,
    (Situation.CLOSED, Goal.RESUME): Step.INTEND,
    (Situation.CLOSED, Goal.ABORT): Step.ABORT,
    (Situation.INTENT, Goal.FLIP): Step.OPEN,
    (Situation.INTENT, Goal.RESUME): Step.OPEN,
    (Situation.INTENT, Goal.ABORT): Step.ABORT,
    (Situation.ABORTING, Goal.RESUME): Step.REOPEN,
    (Situation.ABORTING, Goal.ABORT): Step.REOPEN,
}
"""A missing entry is a refusal: who aborts has won, and a flipper does not reopen what it did not abort."""

AFTER_DRAINING = frozenset({Step.INTEND, Step.OPEN})
"""Only once nothing is pending on the closed authority, seen after both rows were read."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One flip: the side and the epoch that it found open when it began."""

    source: Side
    epoch: int

    @property
    def target(self) -> Side:
        """The side that is to be the authority."""
        return self.source.other

    @property
    def done(self) -> Authority:
        """The target's row when this flip has succeeded."""
        return Authority(self.epoch + 1, Phase.OPEN)


@dataclass(frozen=True, slots=True)
class Decision:
    """The next step: `swap` for those that change a row, and a sentence for those that end it."""

    step: Step
    swap: Swap | None = None
    sentence: str = ""


def swap_of(step: Step, here: Place, standing: Standing) -> Swap:
    """The compare-and-set that this step is, from the rows as they were read."""
    authority, follower = standing.on(here.authority), standing.on(here.follower)
    side, expected, new = {
        Step.CLOSE: (here.authority, authority, Authority(here.epoch, Phase.CLOSED)),
        Step.INTEND: (here.follower, follower, Authority(here.epoch + 1, Phase.INTENT)),
        Step.OPEN: (here.follower, follower, Authority(here.epoch + 1, Phase.OPEN)),
        Step.ABORT: (here.follower, follower, Authority(here.epoch + 1, Phase.ABORTED)),
        Step.REOPEN: (here.authority, authority, Authority(here.epoch + 2, Phase.OPEN)),
    }[step]
    return Swap(side, expected, new)


def begin(standing: Standing, target: Side) -> Attempt | Decision:
    """A flip to `target` that may begin, or why not: done already, or another one is half done."""
    here = place(standing)
    if here is None:
        return Decision(Step.LOST, sentence=broken(standing))
    if here.situation is not Situation.STEADY:
        return Decision(Step.LOST, sentence=half_done(here))
    if here.authority is target:
        return Decision(
            Step.DONE, sentence=f"{target} is the authority already, since epoch {here.epoch}: nothing to do"
        )
    return Attempt(here.authority, here.epoch)


def decide(
    standing: Standing,
    goal: Goal,
    *,
    drained: bool,
    attempt: Attempt | None = None,
    steps: Mapping[tuple[Situation, Goal], Step] = STEPS,
) -> Decision:
    """What may be done next with these rows.

    `drained`: nothing was pending on the authority, looked at *after* the rows were read. `attempt` is the
    flip that asks, so that it never takes somebody else's half-done flip for its own. `steps` is for the
    negative controls of the exploration.
    """
    here = place(standing)
    if here is None:
        return Decision(Step.LOST, sentence=broken(standing))
    if attempt and (here.authority, here.epoch) != (attempt.source, attempt.epoch):
        return _overtaken(attempt, standing, here)
    step = steps.get((here.situation, goal), Step.LOST)
    if step is Step.DONE:
        return Decision(step, sentence=f"{here.authority} is open (epoch {here.epoch}): nothing is half done")
    if step is Step.LOST:
        return Decision(step, sentence=half_done(here))
    if step in AFTER_DRAINING and not drained:
        return Decision(Step.DRAIN)
    return Decision(step, swap_of(step, here, standing))


def half_done(here: Place) -> str:
    """The sentence about a flip that somebody left half done, with the cure."""
    begun = f"the flip from {here.authority} (epoch {here.epoch}) to {here.follower}"
    if here.situation is Situation.ABORTING:
        return (
            f"{begun} was aborted, and {here.authority} is not open again yet; "
            "`strangler flip SLICE --resume` opens it"
        )
    return (
        f"{begun} is half done ({here.situation}), and both sides are closed; "
        f"`strangler flip SLICE --resume` ends it with {here.follower} open, "
        f"`strangler flip SLICE --abort` opens {here.authority} again; neither loses a write"
    )


def _overtaken(attempt: Attempt, standing: Standing, here: Place) -> Decision:
    """What an attempt is told that finds another epoch than its own."""
    if standing.on(attempt.target) == attempt.done:
        return Decision(Step.DONE, sentence=f"{attempt.target} is open in epoch {attempt.epoch + 1}")
    return Decision(
        Step.LOST,
        sentence=f"somebody else decided while this flip was under way: {here.authority} is the authority in "
        f"epoch {here.epoch} ({here.situation}); nothing was lost; look at `strangler sync status`, "
        "then flip again",
    )
