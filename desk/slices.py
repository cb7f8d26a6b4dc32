"""A slice's two databases for one command: opened from the plan, closed at the end, errors in our words."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from desk.core.suggest import did_you_mean
from desk.errors import DeskError, Refusal, UsageProblem
from migration.core.plan import Plan
from sync.bootstrap import open_pair
from sync.errors import Busy, Overtaken, PlanMismatch, Refused, SyncError
from sync.relay import Sessions, sessions
from sync.rounds import Lane

_CURES = ("next:", "run:", "first:")
# The relay's rounds come every few milliseconds where much is written; ours fits between two of them.
_TRIES, _PAUSE = 500, 0.01  # seconds

T = TypeVar("T")


def synced(plan: Plan) -> tuple[str, ...]:
    """The slices whose data is kept in step, in the order of the plan."""
    return tuple(name for name, part in plan.slices.items() if part.data == "sync")


def find(plan: Plan, name: str) -> str:
    """The slice `name`, which has to be one that is kept in step."""
    if name in synced(plan):
        return name
    if name in plan.slices:
        data = plan.slices[name].data
        raise UsageProblem(
            f"The data of {name} is not kept in step: data = {data!r} in {plan.path}.\n"
            f"Next: choose one of {', '.join(synced(plan)) or 'none'}, or write data = 'sync' and entities"
        )
    raise UsageProblem(f"There is no slice {name!r} in {plan.path}. {did_you_mean(name, plan.slices)}")


@contextlib.contextmanager
def opened(plan: Plan, name: str) -> Iterator[Sessions]:
    """Sessions on both sides of a slice; what goes wrong inside becomes an error of the desk."""
    name = find(plan, name)
    with in_our_words(name), sessions(open_pair(plan, name), f"desk-{os.getpid()}") as both:
        yield both


def settled(both: Sessions, work: Callable[[Lane], T]) -> T:
    """What `work` does in the lane of now, again while somebody else's round comes first in the same lane."""
    lane = both.lane()
    for _ in range(_TRIES):
        try:
            return work(lane)
        except (Busy, Overtaken):
            time.sleep(_PAUSE)
            now = both.lane()
            if (now.source, now.epoch) != (lane.source, lane.epoch):
                raise
    return work(lane)


@contextlib.contextmanager
def in_our_words(name: str) -> Iterator[None]:
    """Errors of sync as errors of the desk, with an exit code and the next command."""
    try:
        yield
    except Refused as error:
        raise Refusal(_with_next(_named(error, name), f"strangler sync status {name}")) from None
    except PlanMismatch as error:
        raise DeskError(
            _with_next(str(error), "correct the plan or the tables, then: strangler doctor")
        ) from None
    except SyncError as error:
        raise DeskError(_with_next(_named(error, name), f"strangler sync status {name}")) from None


def _named(error: SyncError, name: str) -> str:
    """Sentences of sync that know no slice say SLICE where its name belongs."""
    return str(error).replace("SLICE", name)


def _with_next(sentence: str, command: str) -> str:
    last = sentence.rstrip().splitlines()[-1] if sentence.strip() else ""
    return sentence if any(word in last.lower() for word in _CURES) else f"{sentence}\nNext: {command}"
