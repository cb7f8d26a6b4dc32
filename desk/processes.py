"""The long-running processes behind `strangler run`: signals, reloading, and what their end means."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NoReturn

from desk import state
from desk.blame import paragraph
from desk.conductor import PLAN_CHECK, Conductor
from desk.errors import Exit
from desk.signals import StopSignals
from facade.leaving import leave
from migration.bootstrap import open_flag_source, open_ledger
from migration.core.plan import Plan
from migration.errors import FlagError, LedgerError, MigrationError, PlanError
from migration.plan_file import load_plan
from shadow.core.words import count_of

_BEHIND_USERS = 10  # niceness: where the processor is short, evidence waits and the facade does not
DEFECT = 70  # EX_SOFTWARE of sysexits.h: worth starting again, which 3 (configuration) is not


def tell(line: str) -> None:
    """A line of a process' log."""
    # In one piece: several threads of a process tell, and print() writes the newline by itself.
    with contextlib.suppress(OSError, ValueError):  # a full disk behind the log ends nobody
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def facade(plan: Plan, plan_file: Path, workers: int = 1) -> int:
    """Serve as the facade until a signal."""
    stop = asyncio.Event()

    async def work() -> None:
        from facade.bootstrap import serve

        if await _made_state(plan, stop):
            await serve(plan_file, stop, workers)

    return _process(work(), stop, (MigrationError, OSError))


def shadow(plan: Plan, plan_file: Path) -> int:
    """Compare until a signal; SIGHUP or a changed plan file reloads the plan."""
    stop = asyncio.Event()

    def reload() -> Plan:
        return load_plan(plan_file, os.environ)

    async def work() -> None:
        from shadow.bootstrap import serve

        if not await _made_state(plan, stop):
            return
        with contextlib.suppress(OSError):
            os.nice(_BEHIND_USERS)
        await serve(plan, stop, reload)

    return _process(work(), stop)


def sync(plan: Plan, plan_file: Path) -> int:
    """Keep the data of every slice in step until a signal; a changed plan or mapping starts it anew."""
    stop = asyncio.Event()

    async def work() -> None:
        from desk.sync_loop import keep_in_step

        if await _made_state(plan, stop):
            await keep_in_step(plan, plan_file, stop, tell)

    return _process(work(), stop)


def conductor(plan: Plan, plan_file: Path, *, once: bool) -> int:
    """Conduct until a signal, or for one round."""
    stop = asyncio.Event()

    async def work() -> None:
        if not await _made_state(plan, stop):
            return
        with contextlib.suppress(FlagError, LedgerError):  # said in the first round
            await state.make_flags(plan)
        await (_conduct_once(plan) if once else _conduct(plan, plan_file, stop))

    return _process(work(), stop)


async def _made_state(plan: Plan, stop: asyncio.Event) -> bool:
    """Make the state; False when `stop` is set first: a ledger that hangs keeps nobody."""
    making, stopping = (
        asyncio.create_task(asyncio.to_thread(_make_state, plan)),
        asyncio.create_task(stop.wait()),
    )
    await asyncio.wait({making, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if making.done():
        await making
    return not stop.is_set()


def _make_state(plan: Plan) -> None:
    """First start: folder, secrets, ledger. A ledger that is away stops nobody from serving."""
    state.make_folder(plan)
    try:
        state.make_ledger(plan)
    except LedgerError as error:
        tell(f"the ledger cannot be used now: {error}")


def _process(
    work: Coroutine[Any, Any, object],
    stop: asyncio.Event,
    configuration: tuple[type[Exception], ...] = (PlanError,),
) -> int:
    """Run `work`; errors of `configuration` are not worth a restart, and under `up` they stop everything."""
    try:
        asyncio.run(_until_stopped(work, stop, configuration))
    except KeyboardInterrupt:  # before there were handlers
        return Exit.INTERRUPTED


async def _until_stopped(
    work: Coroutine[Any, Any, object], stop: asyncio.Event, configuration: tuple[type[Exception], ...]
) -> NoReturn:
    def insist() -> None:
        os._exit(Exit.INTERRUPTED)

    with StopSignals(stop, insist, hang_up=False) as signals:
        code = await _code_of(work, configuration)
        leave(Exit.INTERRUPTED if code == Exit.YES and signals.by == signal.SIGINT else code)


async def _code_of(work: Coroutine[Any, Any, object], configuration: tuple[type[Exception], ...]) -> int:
    try:
        await work
    except configuration as error:
        tell(paragraph(error))
        return Exit.COULD_NOT_RUN
    except Exception as error:  # noqa: BLE001 - a process that dies says why in one paragraph
        tell(paragraph(error))
        return DEFECT
    return Exit.YES


def _make(plan: Plan) -> tuple[Conductor, Any]:
    from desk.evidence import Evidence

    evidence = Evidence(plan.evidence.url)
    source = open_flag_source(plan.flags, time.time)
    return (
        Conductor(
            plan, lambda: open_ledger(plan.ledger.url, create=False), source, evidence.read, time.time, tell
        ),
        source,
    )


async def _conduct_once(plan: Plan) -> None:
    one, source = _make(plan)
    try:
        await one.once()
    finally:
        await asyncio.to_thread(one.close)
        await source.close()


async def _conduct(plan: Plan, plan_file: Path, stop: asyncio.Event) -> None:
    """Conduct one plan after another: a changed plan file starts a new conductor, a wrong one is told."""
    # The plan is looked at every two seconds anyway; by default SIGHUP would end this process alone of all.
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: None)
    while not stop.is_set():
        tell(f"conducting {count_of(len(plan.routes), 'route')} of {plan.path}")
        plan = await _conduct_one(plan, _next_plan(plan, plan_file, stop))


async def _conduct_one(plan: Plan, next_plan: Coroutine[Any, Any, Plan]) -> Plan:
    """Conduct until `next_plan` has ended, however it ends; what it found."""
    changed = asyncio.Event()
    watching = asyncio.create_task(next_plan)
    watching.add_done_callback(lambda _: changed.set())
    one, source = _make(plan)
    try:
        await one.run(changed)
    finally:
        await source.close()
    return await watching


async def _next_plan(plan: Plan, plan_file: Path, stop: asyncio.Event) -> Plan:
    """The plan to go on with once it has changed; the same one at the end."""
    said = ""
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PLAN_CHECK):
                await stop.wait()
        if stop.is_set():
            return plan
        try:
            found = await asyncio.to_thread(load_plan, plan_file, os.environ)
        except (PlanError, OSError) as error:
            if str(error) != said:
                tell(f"the plan cannot be used now, the last good one goes on: {paragraph(error)}")
            said = str(error)
            continue
        if found.hash != plan.hash:
            return found
