"""The page about the states of a flip, drawn from the tables that decide it."""

from __future__ import annotations

from sync.core.authority import SITUATIONS, Situation
from sync.core.flip import AFTER_DRAINING, STEPS, Goal, Step

_MEANING = {
    Situation.STEADY: "the authority takes writes",
    Situation.CLOSED: "a flip has closed it; nobody can write",
    Situation.INTENT: "everything was applied, the follower may open; nobody can write",
    Situation.ABORTING: "the follower may not open any more; the authority opens again; nobody can write",
}
_LEADS_TO = {
    Step.CLOSE: Situation.CLOSED,
    Step.INTEND: Situation.INTENT,
    Step.OPEN: Situation.STEADY,
    Step.ABORT: Situation.ABORTING,
    Step.REOPEN: Situation.STEADY,
}
_SAYS = {
    Step.CLOSE: "close the authority",
    Step.INTEND: "record the intent on the follower",
    Step.OPEN: "open the follower: it is the authority, one epoch later",
    Step.ABORT: "record the abort on the follower",
    Step.REOPEN: "open the authority again, two epochs later",
    Step.DONE: "nothing to do",
    Step.LOST: "refused: somebody else aborts it",
}
_HEAD = """# The states of a flip

Written by `make docs` from the tables in `sync/core`. Each side has one row, an epoch and a phase; each step
is one compare-and-set of one of the two rows. Why is told in [How writes move](../explanation/sync.md).
"""


def flip_page() -> str:
    """`docs/reference/flip.md`."""
    return "\n".join([_HEAD, _rows(), _picture(), _steps()])


def _rows() -> str:
    lines = [
        f"| {authority.value} | {follower.value} | {age.value} | `{found.value}` | {_MEANING[found]} |"
        for (authority, follower, age), found in SITUATIONS.items()
    ]
    head = ["## What two rows mean", ""]
    columns = [
        "| authority | follower | the follower's epoch | situation | meaning |",
        "|---|---|---|---|---|",
    ]
    tail = "Any other pair stops the slice: a database was restored, or a row was edited by hand."
    return "\n".join([*head, *columns, *lines, "", tail, ""])


def _picture() -> str:
    arrows = dict.fromkeys(
        f"    {here.value} --> {_LEADS_TO[step].value}: {step.value}{_condition(step)}"
        for (here, _), step in STEPS.items()
        if step in _LEADS_TO
    )
    drawn = ["```mermaid", "stateDiagram-v2", f"    [*] --> {Situation.STEADY.value}", *arrows, "```", ""]
    return "\n".join(["## From one to the next", "", *drawn])


def _condition(step: Step) -> str:
    return ", once nothing is pending" if step in AFTER_DRAINING else ""


def _steps() -> str:
    goals = list(Goal)
    lines = [
        f"| `{here.value}` | "
        + " | ".join(_SAYS[STEPS.get((here, goal), Step.LOST)] for goal in goals)
        + " |"
        for here in Situation
    ]
    columns = "| found | " + " | ".join(f"`{goal.value}`" for goal in goals) + " |"
    head = ["## Who may do what", "", columns, "|---|" + "---|" * len(goals)]
    tail = "A flip begins from `steady` alone; elsewhere it is refused, with the two commands that go on."
    return "\n".join([*head, *lines, "", tail, ""])
