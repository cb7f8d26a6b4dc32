"""Where the writes of a slice go: to its authority, whatever the flags say; or nowhere for a moment.

The ledger's row is a cache. The fence in the databases refuses a write that comes to the wrong side.
"""

from __future__ import annotations

from collections.abc import Mapping

from facade.core.methods import SAFE
from facade.core.problem import Problem
from migration.core.plan import Plan, Route, Side, Slice
from migration.core.slice_state import SliceState

SYNC = "sync"

MOVING = Problem(
    503,
    "moving",
    "What this would change is just moving to another system. Nothing was written: try again in a moment.",
    1,
)
FULL = Problem(
    503,
    "moving_full",
    "Too many wait for what is just moving to another system. Nothing was written: try again in a moment.",
    1,
)
UNKNOWN = Problem(
    503,
    "authority_unknown",
    "Which system takes this change cannot be found out now. Nothing was written: try again in a moment.",
    1,
)

HOLDS = frozenset(problem.code for problem in (MOVING, FULL, UNKNOWN))


class Write:
    """One write: the epoch that it was sent in and the one at its end, and for how many seconds it waited."""

    __slots__ = ("epoch", "epoch_after", "held", "slice", "under_way")

    def __init__(self, name: str) -> None:
        """A write of the slice `name` that has not been sent."""
        self.slice, self.epoch, self.epoch_after = name, 0, 0
        self.held, self.under_way = 0.0, False

    def spans(self, status: int) -> bool:
        """Whether it failed while the slice changed sides, so that nobody knows which of them it reached."""
        return status >= 500 and self.epoch != self.epoch_after and self.epoch_after > 0


class WriteView:
    """The writes of one slice as a snapshot sees them; `side` None: nobody knows, so they are refused.

    `waits`: new ones wait for at most `hold` seconds. `version` is that of the ledger's row.
    """

    __slots__ = ("epoch", "hold", "side", "slice", "version", "waits", "why")

    def __init__(self, part: Slice, state: SliceState | None) -> None:
        """`state` is the last known row, None when none is known."""
        self.slice, self.hold = part.name, part.hold
        self.side: Side | None = state.authority if state is not None else None
        self.epoch = state.epoch if state is not None else 0
        self.version = state.version if state is not None else -1
        self.waits = state is not None and state.waits
        self.why = f"authority {state.authority.value}" if state is not None else "authority unknown"

    @property
    def moved(self) -> bool:
        """Whether a write that reached legacy past us, by another spelling of its path, would be wrong."""
        return self.side is not Side.LEGACY or self.waits


def write_views(plan: Plan, states: Mapping[str, SliceState]) -> dict[str, WriteView]:
    """The views of all slices whose data is kept in step, by name."""
    return {
        name: WriteView(part, states.get(name)) for name, part in plan.slices.items() if part.data == SYNC
    }


def known_states(
    plan: Plan, states: Mapping[str, SliceState], *, ledger_read: bool
) -> Mapping[str, SliceState]:
    """What is known of each slice: once the ledger was read, one without a row has never left legacy."""
    if not ledger_read:
        return states
    return {name: states.get(name) or SliceState(name) for name in plan.slices}


def leader(plan: Plan, route: Route) -> Route:
    """The route whose side this one takes: of a form's page the write that it leads to, else the route."""
    if route.pair is None or route.method not in SAFE:
        return route
    partner = plan.routes.get(f"{route.slice_name}.{route.pair}")
    return partner if partner is not None and partner.method not in SAFE else route
