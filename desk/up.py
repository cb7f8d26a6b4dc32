"""`strangler up`: everything in the foreground, in order, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from desk import follow, readiness, sample, state
from desk.errors import DeskError, Exit
from desk.ports_in_use import taken
from desk.prefixed_log import PrefixedLog
from desk.programs import Listener, Program, own_listeners, own_programs
from desk.sample import Sample
from desk.signals import StopSignals
from desk.supervisor import Supervisor
from desk.welcome import welcome
from facade.leaving import leave
from migration.core.plan import Plan

READY_WITHIN = 110.0  # seconds: the promise is two minutes
# Visitors first, then the door they came through; the sides go last, so that the drain finds them alive.
STOP_ORDER = ("traffic", "facade", "sync", "shadow", "conductor", "orders", "catalog", "legacy")


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for: `duration` in seconds (None: until a signal), `rate` new sessions a second."""

    plan: Plan
    plan_file: Path
    demo: bool = False
    duration: float | None = None
    traffic: bool = True
    rate: int = 5
    workers: int = 1


def run(wish: Wish) -> int:
    """Prepare, start, watch, stop; returns the exit code. Raises DeskError before anything has started."""
    shop = sample.find(wish.plan) if wish.demo else None
    with state.only_one_up(wish.plan):
        _refuse_taken_ports(wish.plan, shop)
        return asyncio.run(_run(wish, shop))


def _refuse_taken_ports(plan: Plan, shop: Sample | None) -> None:
    wanted: tuple[Listener, ...] = own_listeners(plan) + (sample.listeners(shop) if shop else ())
    said = taken(wanted)
    if said:
        raise DeskError("\n".join([*said, "Nothing was started. Next: strangler up, when that is settled"]))


async def _run(wish: Wish, shop: Sample | None) -> int:
    programs = _programs(wish, shop)
    began = time.monotonic()
    holder: list[Supervisor] = []
    log = PrefixedLog(tuple(one.name for one in programs), lambda: holder[0].stop.set())
    supervisor = Supervisor(_environment(), lambda name, line: log.tell(name, sample.shortened(name, line)))
    holder.append(supervisor)

    def insist() -> None:
        supervisor.hurry()
        if not prepared.is_set():
            leave(Exit.INTERRUPTED)  # a step of the preparation that hangs dies with us

    prepared = asyncio.Event()
    with supervisor, StopSignals(supervisor.stop, insist) as signals:
        watching = asyncio.create_task(supervisor.watch())
        try:
            planted = await _prepare(wish, shop, lambda line: log.tell("strangler", line), supervisor.stop)
            prepared.set()
            await _start(supervisor, programs, planted, log, began)
            await _look_on(wish, supervisor, log, began)
        finally:
            supervisor.stop.set()
            await watching
            log.tell("strangler", "stopping (Ctrl-C again kills)")
            await supervisor.end(STOP_ORDER)
            log.tell("strangler", "stopped; the state stays in " + wish.plan.state_dir)
    interrupted = signals.by is not None and signals.by.name == "SIGINT"
    return supervisor.code or (Exit.INTERRUPTED if interrupted else Exit.YES)


async def _look_on(wish: Wish, supervisor: Supervisor, log: PrefixedLog, began: float) -> None:
    """Say where everything is, and wait until it is stopped or its time is over."""
    if not supervisor.stop.is_set():
        log.block(welcome(wish.plan, wish.plan_file, wish.demo, time.monotonic() - began))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wish.duration):
            await supervisor.stop.wait()


def _programs(wish: Wish, shop: Sample | None) -> tuple[Program, ...]:
    own = own_programs(wish.plan, wish.plan_file, wish.workers)
    if shop is None:
        return own
    visitors = (sample.traffic(shop, wish.rate),) if wish.traffic else ()
    return (*sample.upstreams(shop), *own, *visitors)


async def _prepare(
    wish: Wish, shop: Sample | None, say: Callable[[str], None], stop: asyncio.Event
) -> Sample | None:
    """Make the state and the sample's databases; the sample when mistakes are to be planted in it."""
    await state.prepare(wish.plan, say)
    if shop is None or stop.is_set():
        return None
    await asyncio.to_thread(sample.prepare, shop, say)
    if stop.is_set():  # what is half prepared now is prepared at the next start
        return None
    await asyncio.to_thread(follow.bring_in_step, wish.plan, say)
    if stop.is_set() or not sample.is_first_start(shop):
        return None
    say("first start: comparing all mirrored routes at 100 %, with three differences planted")
    await state.mirror_everything(wish.plan)
    return shop


async def _start(
    supervisor: Supervisor,
    programs: tuple[Program, ...],
    planted: Sample | None,
    log: PrefixedLog,
    began: float,
) -> None:
    """Start all, and wait until they are ready; `planted` gets its mistakes before its first visitor."""
    visitors = [one for one in programs if one.name == sample.VISITORS]
    for program in programs:
        if program not in visitors and not supervisor.stop.is_set():
            supervisor.start(program)
    # Visitors wait for the door, not for shadow: nobody waits for evidence.
    doors = tuple(one for one in programs if one.name in ("legacy", "catalog", "orders", "facade"))
    await _until_ready(supervisor, doors, log, began)
    if planted is not None and not supervisor.stop.is_set():
        sample.plant(planted)
    for program in visitors:
        if not supervisor.stop.is_set():
            supervisor.start(program)
    await _until_ready(supervisor, programs, log, began)


async def _until_ready(
    supervisor: Supervisor, programs: tuple[Program, ...], log: PrefixedLog, began: float
) -> None:
    waiting = [one for one in programs if one.probe is not None]
    while waiting and not supervisor.stop.is_set():
        waiting = [one for one in waiting if one.probe and not await readiness.ready(one.probe)]
        if waiting and time.monotonic() - began > READY_WITHIN:
            names = ", ".join(one.name for one in waiting)
            late = f"not ready after {READY_WITHIN:g} s: {names}"
            log.tell("strangler", f"{late}; goes on. Next: strangler doctor")
            return
        if waiting:
            await asyncio.sleep(0.1)


def _environment() -> Mapping[str, str]:
    # `python -m desk` looks into the current folder first: with a safe path, no file of somebody's that
    # happens to be called desk.py is run instead.
    home = str(Path(__file__).resolve().parent.parent)
    paths = [home, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    safe = {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
    return {**os.environ, **safe}
