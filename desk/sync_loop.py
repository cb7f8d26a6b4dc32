"""The long life of `run sync`: one set of relays after another, as the plan and its mapping files change."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from desk.blame import paragraph
from desk.slices import synced
from migration.bootstrap import open_ledger
from migration.core.plan import Plan
from migration.errors import LedgerError, PlanError
from migration.plan_file import load_plan
from migration.ports import Ledger
from shadow.core.words import count_of
from sync.bootstrap import open_pair
from sync.mapping_file import digest
from sync.process import SyncProcess

CHECK = 1.0  # seconds between looks at the plan and its mapping files
# Seconds for rounds under way: a database that says nothing holds one for longer than `up` waits. Whoever is
# cut off leaves a round that its successor ends.
LEAVING = 17.0

Tell = Callable[[str], None]


async def keep_in_step(plan: Plan, plan_file: Path, stop: asyncio.Event, tell: Tell) -> None:
    """Relay, verify and look after every slice until `stop`; with a wrong plan the last good one goes on."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: None)  # the plan is looked at anyway
    while not stop.is_set():
        tell(f"keeping {count_of(len(synced(plan)), 'slice')} of {plan.path} in step")
        ended = threading.Event()
        running = asyncio.create_task(asyncio.to_thread(_run, plan, ended, tell))
        try:
            plan = await _next_plan(plan, plan_file, stop, running, tell)
        finally:
            ended.set()
            await _over(running, stop)


async def _over(running: asyncio.Task[None], stop: asyncio.Event) -> None:
    """Wait for the relays' end, and raise their error; once `stop` is set no longer than LEAVING seconds."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    over, _ = await asyncio.wait({running}, timeout=LEAVING)
    if over:
        await running


def _run(plan: Plan, ended: threading.Event, tell: Tell) -> None:
    ledger = _ledger(plan, tell)
    holder = f"{socket.gethostname()}-{os.getpid()}"
    try:
        SyncProcess(
            synced(plan), lambda name: open_pair(plan, name), ledger, holder, tell, Path(plan.state_dir)
        ).run(ended)
    finally:
        if ledger is not None:
            ledger.close()


def _ledger(plan: Plan, tell: Tell) -> Ledger | None:
    try:
        return open_ledger(plan.ledger.url, create=False)
    except LedgerError as error:
        tell(f"goes on without the ledger: {error}")
        return None


async def _next_plan(
    plan: Plan, plan_file: Path, stop: asyncio.Event, running: asyncio.Task[None], tell: Tell
) -> Plan:
    """The plan to go on with once it or a mapping file has changed; the same one at the end."""
    mappings, said = _mappings(plan), ""
    while not stop.is_set() and not running.done():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CHECK):
                await stop.wait()
        if stop.is_set():
            break
        try:
            found = await asyncio.to_thread(load_plan, plan_file, os.environ)
        except (PlanError, OSError) as error:
            if str(error) != said:
                tell(f"the plan cannot be used now, the last good one goes on: {paragraph(error)}")
            said = str(error)
            continue
        if (found.hash, _mappings(found)) != (plan.hash, mappings):
            tell("the plan or a mapping has changed")
            return found
    return plan


def _mappings(plan: Plan) -> tuple[str, ...]:
    return tuple(digest(plan.slices[name]) for name in synced(plan))
