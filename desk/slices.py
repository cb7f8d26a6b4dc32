"""A slice's two databases for one command: opened from the plan, closed at the end, errors in our words."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from desk.core.suggest import did_you_mean
from desk.errors import DeskError, Refusal, UsageProblem
from migration.core.plan import Plan
from sync.bootstrap import open_pair
from sync.errors import PlanMismatch, Refused, SyncError
from sync.relay import Sessions, sessions

_CURES = ("next:", "run:", "first:")


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


@contextlib.contextmanager
def in_our_words(name: str) -> Iterator[None]:
    """Errors of sync as errors of the desk, with an exit code and the next command."""
    try:
        yield
    except Refused as error:
        raise Refusal(_with_next(str(error), f"strangler sync status {name}")) from None
    except PlanMismatch as error:
        raise DeskError(
            _with_next(str(error), "correct the plan or the tables, then: strangler doctor")
        ) from None
    except SyncError as error:
        raise DeskError(_with_next(str(error), f"strangler sync status {name}")) from None


def _with_next(sentence: str, command: str) -> str:
    last = sentence.rstrip().splitlines()[-1] if sentence.strip() else ""
    return sentence if any(word in last.lower() for word in _CURES) else f"{sentence}\nNext: {command}"
