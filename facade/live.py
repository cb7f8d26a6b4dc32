"""The state that requests are decided on, put together from plan, ledger and flags as each changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from facade.core.decide import Snapshot, snapshot
from facade.core.writes import known_states
from migration.core.effective import RouteState
from migration.core.flags import FlagState, Intent
from migration.core.match import RouteTable
from migration.core.plan import Plan
from migration.core.slice_state import SliceState
from migration.errors import FlagError
from migration.ports import FlagContext, FlagEvaluator

_NOTHING: Mapping[str, SliceState] = {}


class Watched(Protocol):
    """Where flags come from: a watch of the source, or what a worker is told of one."""

    @property
    def state(self) -> FlagState | None:
        """The flags that were fetched last."""
        ...

    @property
    def stale(self) -> bool:
        """Whether they are too old to be believed."""
        ...


class Live:
    """Makes a new snapshot after each change; requests under way keep theirs."""

    def __init__(
        self, plan: Plan, states: Mapping[str, RouteState], evaluator: FlagEvaluator,
        publish: Callable[[Snapshot], None], slices: Mapping[str, SliceState] = _NOTHING,
    ) -> None:  # fmt: skip
        """Start from the last known rows, without flags."""
        self.plan, self.states, self.slices = plan, dict(states), dict(slices)
        self.ledger_read = False
        self._intents: dict[str, Intent] = {}
        self._evaluator, self._publish = evaluator, publish
        self._table = RouteTable(plan.routes.values())
        self._watch: Watched | None = None
        self._flags: FlagState | None = None
        self._killed = False
        self._was_stale = True
        self.flag_problem: str | None = None

    @property
    def flags(self) -> FlagState | None:
        """The flags that are evaluated now."""
        return self._flags

    def set_plan(self, plan: Plan) -> None:
        """A plan was loaded."""
        self.plan, self._table = plan, RouteTable(plan.routes.values())
        self.rebuild()

    def set_states(self, states: Mapping[str, RouteState]) -> None:
        """The ledger's rows of routes were read."""
        self.states = dict(states)
        self.publish()

    def set_slices(self, slices: Mapping[str, SliceState], *, ledger_read: bool) -> None:
        """The ledger's rows of slices are known; `ledger_read`: from itself, so that there are no others."""
        self.slices, self.ledger_read = dict(slices), ledger_read
        self.publish()

    def follow(self, watch: Watched) -> None:
        """Take the flags from `watch` from now on."""
        self._watch = watch
        if watch.state is not None:
            self.set_flags(watch.state)

    def set_flags(self, state: FlagState) -> None:
        """The flags changed; what the engine refuses leaves those before in force, but for a kill in it."""
        try:
            self._evaluator.take(state)
        except FlagError as error:
            # Somebody in a hurry wrote the kill by hand: an emergency brake needs no right spelling.
            self.flag_problem, self._killed = str(error), state.killed
        else:
            self._flags, self.flag_problem, self._killed = state, None, False
        self.rebuild()

    def check_age(self) -> None:
        """Flags grow stale by themselves, and come back without having changed."""
        if self._stale() != self._was_stale:
            self.rebuild()

    def rebuild(self) -> None:
        """Publish a snapshot of what is known now."""
        self._was_stale = stale = self._stale()
        intents: dict[str, Intent] = {}
        if self._flags is not None or self._killed:
            for route in self.plan.routes.values():
                asked = self._flags.intent(route, stale=stale) if self._flags is not None else Intent()
                intents[route.id] = replace(asked, killed=asked.killed or self._killed)
        self._intents = intents
        self.publish()

    def publish(self) -> None:
        """Publish a snapshot, with the flags as they were understood last."""
        slices = known_states(self.plan, self.slices, ledger_read=self.ledger_read)
        self._publish(snapshot(self.plan, self.states, self._intents, self._evaluate, self._table, slices))

    def _stale(self) -> bool:
        return self._watch is None or self._watch.stale

    def _evaluate(self, flag: str, key: str) -> bool:
        return self._evaluator.enabled(flag, FlagContext(key))
