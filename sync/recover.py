"""A flip that somebody left half done: bring it to its end, or take it back. Safe at any time, by anybody."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from sync.capture import forget_walks
from sync.core.authority import Place, Situation, broken, mend, place
from sync.core.flip import Attempt, Goal, Step, half_done, swap_of
from sync.core.incarnation import forgotten
from sync.core.rounds import Named
from sync.errors import Overtaken, Refused, SliceStopped
from sync.flip import Announcer, Flipped, Nobody, mend_fences, outcome, take_back, tell
from sync.procedure import NEEDS_ABORT, Away, Patience, Procedure
from sync.relay import Sessions


def recover(
    both: Sessions,
    goal: Goal,
    announcer: Announcer | None = None,
    *,
    accepted: Collection[Named] = (),
    patience: Patience | None = None,
    step: Callable[[str], None] = lambda _name: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Flipped:
    """RESUME brings a half-done flip (or abort) to its end; ABORT opens the authority again, in a new epoch.

    Two at a time, or one that wakes up late, do no harm: the follower's row decides once. Rows that a restore
    left beside each other are made safe first. Refused with the cure when it cannot be done now.
    """
    announcer = announcer or Nobody()
    one = Procedure(both, patience or Patience(), accepted, step, sleep=sleep)
    end_the_past(both)
    here = place(both.standing())
    if here is None:
        raise SliceStopped(f"{one.name}: {broken(both.standing())}")
    lost = _forgotten(both, here)
    if lost and goal is Goal.RESUME:
        raise Refused(lost)
    if lost:
        forget_walks(both)
    mend_fences(both)
    aborting = goal is Goal.ABORT or here.situation in (Situation.STEADY, Situation.ABORTING)
    try:
        decision = take_back(one, None, "") if goal is Goal.ABORT else one.run(goal)
    except NEEDS_ABORT as error:
        raise Refused(
            f"{error}; so the flip cannot be brought to its end. Next: strangler flip {one.name} --abort"
        ) from error
    except Away as error:
        raise Refused(f"{error}; try again when both databases answer") from error
    return outcome(one, here.authority if aborting else here.follower, decision, tell(one, announcer))


def _forgotten(both: Sessions, here: Place) -> str:
    if here.situation not in (Situation.CLOSED, Situation.INTENT):
        return ""
    name = both.pair.spec.name
    why = forgotten(here.authority, here.epoch, both.on(here.authority).seen(name).epoch)
    return why and f"{name}: {why.replace('SLICE', name)}"


def resume(
    both: Sessions, announcer: Announcer | None = None, *, accepted: Collection[Named] = ()
) -> Flipped:
    """Bring what is half done to its end."""
    return recover(both, Goal.RESUME, announcer, accepted=accepted)


def abort(both: Sessions, announcer: Announcer | None = None, *, accepted: Collection[Named] = ()) -> Flipped:
    """Take back what is half done."""
    return recover(both, Goal.ABORT, announcer, accepted=accepted)


def end_the_past(both: Sessions) -> None:
    """Close, or forbid to open, a side whose row is older than the other's: its database was restored."""
    swap = mend(both.standing())
    if swap is not None:
        forget_walks(both)
        both.on(swap.side).swap(both.pair.spec.name, swap.expected, swap.new, Patience().drain)


def new_epoch(both: Sessions, announcer: Announcer | None = None) -> Flipped:
    """Close the authority and open it again under a new epoch: whatever ran for the old one is overtaken."""
    one, standing = Procedure(both), both.standing()
    here = place(standing)
    if here is None or here.situation is not Situation.STEADY:
        raise Refused(f"{one.name}: {half_done(here) if here else broken(standing)}")
    close = swap_of(Step.CLOSE, here, standing)
    if not both.on(close.side).swap(one.name, close.expected, close.new, one.patience.drain):
        raise Overtaken(f"{one.name}: somebody else flips it just now; look again")
    decision = take_back(one, Attempt(here.authority, here.epoch), "a new epoch was begun")
    return outcome(one, here.authority, decision, tell(one, announcer or Nobody()))
