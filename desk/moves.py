"""Moves that a person asks for: the flow of `migration`, carried out and told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from desk.core.advice import served, stage_words
from desk.errors import Exit
from desk.evidence import Evidence
from desk.slice_stage import read_all
from desk.view import is_conducted, read_flags
from migration import rollback as rolling
from migration import shift as shifting
from migration.bootstrap import open_flag_writer, open_ledger
from migration.core.effective import RouteState
from migration.core.flags import FlagState
from migration.core.gate import RouteEvidence
from migration.core.plan import Plan, Route
from migration.errors import Refused
from migration.ports import FlagWriter, Ledger
from migration.shift import GateRefused, Moved, Person


@dataclass(frozen=True, slots=True)
class Outcome:
    """Messages, what is served now (data; empty when nothing was changed), and the exit code."""

    said: tuple[str, ...]
    served: str
    code: Exit


SETTLE = 3.0  # seconds; measured: Unleash 8 shows a change to its clients within 0.7 s
SETTLE_LOOK = 0.2

Move = Callable[[Ledger, FlagWriter, RouteEvidence], Awaitable[Moved]]


def shift(plan: Plan, route: Route, share: int, person: Person, now: float) -> Outcome:
    """Bring `route` to `share` %, gate first."""
    part = plan.slices[route.slice_name]

    def move(ledger: Ledger, writer: FlagWriter, evidence: RouteEvidence) -> Awaitable[Moved]:
        return shifting.shift(
            ledger, writer, route, part, to_pct=share, evidence=evidence, person=person, now=now
        )

    return asyncio.run(_moved(plan, route, move, person, now))


def advance(plan: Plan, route: Route, person: Person, now: float, *, confirmed: bool) -> Outcome:
    """The next step of the declared ladder, gate and soak first."""
    part = plan.slices[route.slice_name]

    def move(ledger: Ledger, writer: FlagWriter, evidence: RouteEvidence) -> Awaitable[Moved]:
        return shifting.advance(
            ledger, writer, route, part, evidence=evidence, person=person, now=now, confirmed=confirmed
        )

    return asyncio.run(_moved(plan, route, move, person, now))


def start_shadow(plan: Plan, route: Route, sample: int, person: Person, now: float) -> Outcome:
    """Mirror `sample` % of keys."""
    part = plan.slices[route.slice_name]

    def move(ledger: Ledger, writer: FlagWriter, evidence: RouteEvidence) -> Awaitable[Moved]:
        return shifting.start_shadow(
            ledger, writer, route, part, sample=sample, evidence=evidence, person=person, now=now
        )

    return asyncio.run(_moved(plan, route, move, person, now))


def stop_shadow(plan: Plan, route: Route, person: Person, now: float) -> Outcome:
    """Mirror nothing any more."""
    part = plan.slices[route.slice_name]

    def move(ledger: Ledger, writer: FlagWriter, _evidence: RouteEvidence) -> Awaitable[Moved]:
        return shifting.stop_shadow(ledger, writer, route, part, person=person, now=now)

    return asyncio.run(_moved(plan, route, move, person, now))


async def _moved(plan: Plan, route: Route, move: Move, person: Person, now: float) -> Outcome:
    ledger = open_ledger(plan.ledger.url, create=False)
    writer = open_flag_writer(plan.flags)
    try:
        with Evidence(plan.evidence.url) as evidence:
            told = evidence.summary(plan, route.id, now).evidence
        done = await move(ledger, writer, told)
        conducted = is_conducted(ledger, now)
    except GateRefused as refused:
        return _refused(route, refused)
    except Refused as refused:
        return Outcome((f"Nothing was changed: {refused}",), "", Exit.NO)
    finally:
        await writer.close()
        ledger.close()
    return await _done(plan, done, person, now, conducted)


def _refused(route: Route, refused: GateRefused) -> Outcome:
    code = Exit.NO if refused.result.outcome == "fail" else Exit.NOT_ENOUGH
    compares = refused.result.sentence.endswith("from legacy: shadow")
    cure = f"shadow start {route.id} --sample 100" if compares else f"report {route.id}"
    said = (f"Nothing was changed. {refused}", f"Next: strangler {cure}")
    return Outcome(said, "", code)


async def _done(plan: Plan, done: Moved, person: Person, now: float, conducted: bool) -> Outcome:
    said = [done.sentence]
    if person.override and done.gate.outcome != "pass":
        said.append(
            f"The gate said {done.gate.outcome} ({done.gate.sentence}); overridden: {person.override}"
        )
    if done.before.hold and not done.after.hold:
        said.append(f"Released the hold: {done.before.hold_reason or 'no reason was given'}")
    if not conducted:
        said.append(
            "No conductor runs: later changes of the flags are not followed. Next: strangler run conductor"
        )
    return Outcome(tuple(said), await _served(plan, done.after, now), Exit.YES)


async def _settled_flags(plan: Plan, state: RouteState, now: float) -> tuple[FlagState | None, str | None]:
    """The flags once their source shows what was just written, at most `SETTLE` seconds later.

    A flag server tells its readers of a change up to a second late, and the facade reads it as we do.
    """
    route, tries = plan.routes[state.route], round(SETTLE / SETTLE_LOOK)
    for _ in range(tries):
        flags, trouble = await read_flags(plan, now)
        if flags is None or trouble is not None:
            break
        intent = flags.intent(route)
        if intent.rollout == state.cap_pct and intent.shadow == state.mirror_pct:
            break
        await asyncio.sleep(SETTLE_LOOK)
    return flags, trouble


async def _served(plan: Plan, state: RouteState, now: float) -> str:
    flags, trouble = await _settled_flags(plan, state, now)
    intent = flags.intent(plan.routes[state.route]) if flags is not None else None
    where = stage_words(state, read_all(plan).get(plan.routes[state.route].slice_name))
    mirrored = f", {state.mirror_pct} % compared" if state.mirror_pct else ""
    note = f" ({trouble})" if trouble else ""
    return f"{state.route}: {where}, {served(state, intent)} % answered by extracted{mirrored}{note}"


def rollback(plan: Plan, route: Route, share: int, actor: str, reason: str, now: float) -> Outcome:
    """Bring users back at once: the ledger first, so that it needs no flag source."""
    return asyncio.run(_rolled_back(plan, route, share, actor, reason, now))


async def _rolled_back(plan: Plan, route: Route, share: int, actor: str, reason: str, now: float) -> Outcome:
    ledger = open_ledger(plan.ledger.url, create=False)
    writer = open_flag_writer(plan.flags)
    try:
        done = await rolling.rollback(
            ledger, writer, route, to_pct=share, actor=actor, reason=reason, now=now
        )
    except Refused as refused:
        return Outcome((f"Nothing was changed: {refused}",), "", Exit.NO)
    finally:
        await writer.close()
        ledger.close()
    state = done.state
    where = stage_words(state, read_all(plan).get(route.slice_name))
    shown = f"{route.id}: {where}, {state.applied_pct} % answered by extracted, held"
    said = (f"{done.sentence}.", f"Next: strangler report {route.id}; a shift or advance releases the hold")
    return Outcome(said, shown, Exit.YES)
