"""The conductor's loop: what the flags ask for becomes what is served, as far as the gate allows.

Each round reads everything anew and writes by compare-and-set: killing it at any point leaves a right ledger,
a second one beside it is harmless, and nothing has to be remembered. Whatever is away is said once and asked
again in the next round; what cannot be read changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from migration.core.conduct import Change, conduct
from migration.core.effective import RouteState
from migration.core.flags import FlagState, Intent
from migration.core.gate import NO_EVIDENCE, RouteEvidence
from migration.core.plan import Plan, Route
from migration.core.slice_state import SliceState
from migration.core.stages import ReadStage
from migration.errors import LedgerConflict, LedgerError
from migration.flag_watch import FlagWatch
from migration.ports import AuditEntry, FlagSource, Ledger

ROUND = 0.5  # seconds: an intent is noticed within a second, a round on SQLite takes a few milliseconds
LEASE = "conductor"
LEASE_TTL = 5.0  # seconds until another one takes over from a killed one
PLAN_CHECK = 2.0  # seconds between looks at the plan file

Tell = Callable[[str], None]
Clock = Callable[[], float]


class EvidenceReader(Protocol):
    """What shadow says about a route now."""

    def __call__(self, plan: Plan, route_id: str, now: float) -> RouteEvidence:
        """Never raises: evidence that cannot be read is NONE, with the reason as its sentence."""
        ...


@dataclass(slots=True)
class SaidOnce:
    """Tells a condition when it begins, when it changes and when it ends; not in every round between."""

    tell: Tell
    standing: dict[str, str] = field(default_factory=dict)

    def say(self, about: str, what: str | None) -> None:
        """`what` holds about `about` from now on (None: all is well again)."""
        before = self.standing.get(about)
        if what == before:
            return
        if what is None:
            del self.standing[about]
            self.tell(f"{about}: all right again")
        else:
            self.standing[about] = what
            self.tell(f"{about}: {what}")


class Conductor:
    """One conductor of one plan; `open_ledger` is called again after the ledger was away."""

    def __init__(
        self,
        plan: Plan,
        open_ledger: Callable[[], Ledger],
        source: FlagSource,
        evidence: EvidenceReader,
        clock: Clock,
        tell: Tell,
    ) -> None:
        self.plan = plan
        self._open_ledger = open_ledger
        self._ledger: Ledger | None = None
        self._evidence = evidence
        self._clock = clock
        self._said = SaidOnce(tell)
        self._tell = tell
        self._holder = f"{socket.gethostname()}:{os.getpid()}"
        self._ends: Callable[[], bool] = lambda: False
        poll = min(plan.flags.poll, ROUND) if plan.flags.kind == "file" else plan.flags.poll
        self._watch = FlagWatch(source, poll, clock, stale_after=plan.flags.stale_after)

    async def once(self) -> None:
        """One whole round, flags included."""
        await self._watch.poll_once()
        await asyncio.to_thread(self._round)

    async def run(self, stop: asyncio.Event) -> None:
        """Rounds until `stop`; then the lease is given back, so that another one takes over at once."""
        following = asyncio.create_task(self._watch.run())
        self._ends = stop.is_set
        try:
            while not stop.is_set():
                await asyncio.to_thread(self._round)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ROUND):
                        await stop.wait()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Give the lease back and let go of the ledger."""
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            with contextlib.suppress(LedgerError):
                ledger.release_lease(LEASE, self._holder)
            ledger.close()

    def _round(self) -> None:
        self._said.say("flags", self._watch.error)
        try:
            self._with_ledger(self._ledger or self._open())
        except LedgerError as error:
            self._said.say("ledger", f"{error}; what is served stays as it is")
            self._drop_ledger()
        else:
            self._said.say("ledger", None)

    def _open(self) -> Ledger:
        self._ledger = self._open_ledger()
        self._ledger.ensure(self.plan.routes)
        self._ledger.ensure_slices(part.name for part in self.plan.slices.values() if part.data == "sync")
        return self._ledger

    def _drop_ledger(self) -> None:
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            with contextlib.suppress(LedgerError):
                ledger.close()

    def _with_ledger(self, ledger: Ledger) -> None:
        leads = ledger.lease(LEASE, self._holder, LEASE_TTL, self._clock())
        self._said.say("lease", None if leads else "another conductor leads; this one stands by")
        flags = self._watch.state
        if not leads or flags is None:
            return
        states, slices = ledger.routes(), ledger.slices()
        for route in self.plan.routes.values():
            # Evidence that is away costs seconds for each route: who is told to end does not ask on.
            if route.id in states and not self._ends():
                self._conduct(ledger, route, states[route.id], flags, slices.get(route.slice_name))

    def _conduct(
        self, ledger: Ledger, route: Route, state: RouteState, flags: FlagState, writes: SliceState | None
    ) -> None:
        now = self._clock()
        intent = flags.intent(route, stale=self._watch.stale)
        self._said.say(route.id, intent.problem)
        evidence = self._evidence(self.plan, route.id, now) if asks_evidence(state, intent) else NO_EVIDENCE
        change = conduct(route, self.plan.slices[route.slice_name], state, intent, evidence, now, writes)
        if change is not None:
            self._write(ledger, state, change, now)

    def _write(self, ledger: Ledger, state: RouteState, change: Change, now: float) -> None:
        entry = AuditEntry("conductor", "conduct", change.why, now, change.evidence_hash)
        try:
            ledger.change(
                state.route,
                state.version,
                stage=change.stage,
                cap_pct=change.cap_pct,
                applied_pct=change.applied_pct,
                mirror_pct=change.mirror_pct,
                hold=state.hold,
                hold_reason=state.hold_reason,
                audit=entry,
            )
        except LedgerConflict:
            return  # somebody was quicker: the next round sees what they wrote
        self._tell(f"{state.route}: {told(state, change)}: {change.why}")


def asks_evidence(state: RouteState, intent: Intent) -> bool:
    """Whether the next step could need a verdict; reading one is the dearest part of a round."""
    if not intent.known or state.hold:
        return False
    return intent.rollout > state.cap_pct or (state.stage is ReadStage.CANARY and intent.rollout == 100)


def told(before: RouteState, after: Change) -> str:
    """A change in a few words: "shadow → canary, 0 → 10 %"."""
    parts = [
        f"{before.stage.value} → {after.stage.value}" if after.stage is not before.stage else "",
        f"proven {before.cap_pct} → {after.cap_pct} %" if after.cap_pct != before.cap_pct else "",
        f"served {before.applied_pct} → {after.applied_pct} %"
        if after.applied_pct != before.applied_pct
        else "",
        f"compared {before.mirror_pct} → {after.mirror_pct} %"
        if after.mirror_pct != before.mirror_pct
        else "",
    ]
    return ", ".join(filter(None, parts))


def intents(plan: Plan, flags: FlagState | None) -> Mapping[str, Intent | None]:
    """What `flags` ask for each route of the plan; None where they could not be read at all."""
    return {one.id: flags.intent(one) if flags is not None else None for one in plan.routes.values()}
