"""Tells the facades of a flip through the ledger, and hears from them; the databases decide, not this.

A facade that is told in time lets writes wait instead of running into the closed fence. One that is not costs
errors, never a write.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from migration.core.plan import Side
from migration.core.slice_state import SlicePhase, SliceState, all_idle, all_seen, fresh, settled
from migration.core.stages import WriteStage
from migration.errors import LedgerConflict, LedgerError
from migration.ports import AuditEntry, Ledger

NOTICE = 0.3  # seconds: a facade that looks every 250 ms has looked once, and sees the next step within 10 ms
SEEN_BY = 1.5  # seconds for the facades that are there to say that they have heard
IDLE_BY = 1.0  # seconds for writes on their way; those that take longer end at the fence
OVER_BY = 10.0  # seconds for each half of a flip; whoever was killed in it is not waited for any longer
_LOOK = 0.005  # seconds between two looks at the seats
_TRIES = 20


class LedgerAnnouncer:
    """One flip's words to the facades; methods block, and raise LedgerError when the ledger is away."""

    def __init__(
        self,
        ledger: Ledger,
        slice_name: str,
        *,
        actor: str,
        why: str = "flip",
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`actor` and `why` go into the audit; `clock` tells UTC epoch seconds."""
        self._ledger, self._slice, self._actor, self._why = ledger, slice_name, actor, why
        self._clock, self._sleep = clock, sleep

    def announced(self) -> None:
        """A flip begins in a moment: the facades keep their eyes on the ledger and take their seats."""
        self._ledger.ensure_slices([self._slice])
        self._tell(SlicePhase.ANNOUNCED)

    def wait_until_seen(self) -> int:
        """Wait until every facade that is there has heard; how many there are (0: nobody to wait for)."""
        began = self._clock()
        while True:
            now, state, seats = self._clock(), self._state(), self._ledger.seats(self._slice)
            there, waited = fresh(seats, now), now - began
            if not there or waited >= SEEN_BY or (waited >= NOTICE and all_seen(seats, state, now)):
                return len(there)
            self._sleep(_LOOK)

    def flipping(self) -> None:
        """New writes wait from here on, as soon as their facade has heard."""
        self._tell(SlicePhase.FLIPPING)

    def wait_until_idle(self) -> bool:
        """Wait until no facade has a write on its way; False when it took too long: the fence decides."""
        began = self._clock()
        while True:
            now, state, seats = self._clock(), self._state(), self._ledger.seats(self._slice)
            if all_idle(seats, state, now):
                return True
            if now - began >= IDLE_BY:
                return False
            self._sleep(_LOOK)

    def steady(self, authority: str, epoch: int) -> None:
        """The databases have decided: writes go on, to `authority`. Also for a flip that was given up."""
        self._ledger.ensure_slices([self._slice])
        side = Side(authority)
        while side is Side.EXTRACTED and self._state().write_stage in (WriteStage.LEGACY, WriteStage.CAPTURE):
            self._change(_next_stage)  # the row lagged behind the databases: the ladder knows no leap
        self._change(lambda state: settled(state, side, epoch))

    def agree(self, authority: str, epoch: int) -> bool:
        """Mend a row that says otherwise than the databases, which stand steady so; True if it had to be.

        Not while a flip is under way: between its first word and the fence the databases are steady too.
        """
        self._ledger.ensure_slices([self._slice])
        state = self._state()
        side = Side(authority)
        under_way = state.phase is not SlicePhase.STEADY and self._clock() < state.hold_until
        if under_way or (state.phase, state.authority, state.epoch) == (SlicePhase.STEADY, side, epoch):
            return False
        self.steady(authority, epoch)
        return True

    def _state(self) -> SliceState:
        state = self._ledger.slices().get(self._slice)
        if state is None:
            raise LedgerError(f"the ledger knows no slice {self._slice}; run: strangler up")
        return state

    def _tell(self, phase: SlicePhase) -> None:
        until = self._clock() + OVER_BY
        self._change(lambda state: replace(state, phase=phase, hold_until=until))

    def _change(self, decide: Callable[[SliceState], SliceState]) -> None:
        for attempt in range(_TRIES):
            state = self._state()
            to = decide(state)
            entry = AuditEntry(
                self._actor, f"{to.phase.value} {to.authority.value}", self._why, self._clock()
            )
            try:
                self._ledger.change_slice(
                    state.slice,
                    state.version,
                    write_stage=to.write_stage,
                    authority=to.authority,
                    epoch=to.epoch,
                    phase=to.phase,
                    hold_until=to.hold_until,
                    audit=entry,
                )
            except LedgerConflict:
                if attempt == _TRIES - 1:
                    raise
            else:
                return


def _next_stage(state: SliceState) -> SliceState:
    above = WriteStage.CAPTURE if state.write_stage is WriteStage.LEGACY else WriteStage.SYNC
    return replace(state, write_stage=above)
