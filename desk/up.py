"""`strangler up`: everything in the foreground, in order, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from desk import readiness, sample, state
from desk.errors import DeskError, Exit
from desk.ports_in_use import taken
from desk.prefixed_log import PrefixedLog
from desk.programs import ADMIN_HOST, Listener, Program, front, own_listeners, own_programs
from desk.sample import Sample
from desk.signals import StopSignals
from desk.supervisor import Supervisor
from migration.core.plan import Plan

READY_WITHIN = 110.0  # seconds: the promise is two minutes
# Visitors first, then the door they came through; the sides go last, so that the drain finds them alive.
STOP_ORDER = ("traffic", "facade", "shadow", "conductor", "catalog", "legacy")


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for: `duration` in seconds (None: until a signal), `rate` new sessions a second."""

    plan: Plan
    plan_file: Path
    demo: bool = False
    duration: float | None = None
    traffic: bool = True
    rate: int = 5


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
    with supervisor, StopSignals(supervisor.stop, supervisor.hurry) as signals:
        try:
            await _prepare(wish, shop, lambda line: log.tell("strangler", line))
            await _start(supervisor, programs, wish, shop, log, began)
        finally:
            log.tell("strangler", "stopping (Ctrl-C again kills)")
            await supervisor.end(STOP_ORDER)
            log.tell("strangler", "stopped; the state stays in " + wish.plan.state_dir)
    interrupted = signals.by is not None and signals.by.name == "SIGINT"
    return supervisor.code or (Exit.INTERRUPTED if interrupted else Exit.YES)


def _programs(wish: Wish, shop: Sample | None) -> tuple[Program, ...]:
    own = own_programs(wish.plan, wish.plan_file)
    if shop is None:
        return own
    visitors = (sample.traffic(shop, wish.rate),) if wish.traffic else ()
    return (*sample.upstreams(shop), *own, *visitors)


async def _prepare(wish: Wish, shop: Sample | None, say: Callable[[str], None]) -> None:
    fresh = await state.prepare(wish.plan, say)
    if shop is None:
        return
    sample.prepare(shop, say)
    if fresh:
        say("first start: comparing all mirrored routes at 100 %, with three differences planted")
        await state.mirror_everything(wish.plan)


async def _start(
    supervisor: Supervisor,
    programs: tuple[Program, ...],
    wish: Wish,
    shop: Sample | None,
    log: PrefixedLog,
    began: float,
) -> None:
    watching = asyncio.create_task(supervisor.watch())
    for program in programs:
        if program.name == "traffic":
            # Visitors wait for the door, not for shadow: nobody waits for evidence.
            doors = tuple(one for one in programs if one.name in ("legacy", "catalog", "facade"))
            await _until_ready(supervisor, doors, log, began)
        if supervisor.stop.is_set():
            break
        supervisor.start(program)
    await _until_ready(supervisor, programs, log, began)
    if not supervisor.stop.is_set():
        log.block(_welcome(wish, shop, time.monotonic() - began))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(watching), wish.duration)
    supervisor.stop.set()
    await watching


async def _until_ready(
    supervisor: Supervisor, programs: tuple[Program, ...], log: PrefixedLog, began: float
) -> None:
    waiting = [one for one in programs if one.probe is not None]
    while waiting and not supervisor.stop.is_set():
        waiting = [one for one in waiting if one.probe and not await readiness.ready(one.probe)]
        if waiting and time.monotonic() - began > READY_WITHIN:
            names = ", ".join(one.name for one in waiting)
            log.tell(
                "strangler", f"not ready after {READY_WITHIN:g} s: {names}; goes on. Next: strangler doctor"
            )
            return
        if waiting:
            await asyncio.sleep(0.1)


def _environment() -> Mapping[str, str]:
    # The children are started as `python -m desk`: where the package is imported from must not depend on the
    # current folder, in which anybody may have put a module of the same name.
    home = str(Path(__file__).resolve().parent.parent)
    paths = [home, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


def spelled() -> str:
    """How this person calls us: `strangler` where that works, else the path of the script."""
    script = Path(sys.argv[0])
    if shutil.which("strangler") or script.name != "strangler":
        return "strangler"
    with contextlib.suppress(ValueError):
        return str(script.absolute().relative_to(Path.cwd()))
    return shlex.quote(str(script))


def _welcome(wish: Wish, shop: Sample | None, seconds: float) -> str:
    lines = ["", f"Ready after {seconds:.0f} s.", "", f"  {front(wish.plan)}/  through the facade"]
    lines.append(f"  {wish.plan.legacy.url}/  legacy, directly")
    lines += [f"  {one.url}/  {one.name}, directly" for one in wish.plan.services.values()]
    lines.append(f"  http://{ADMIN_HOST}:{wish.plan.facade.admin_port}/metrics  the facade's metrics")
    return "\n".join([*lines, "", *_next(wish, shop), "", "Ctrl-C stops everything.", ""])


def _next(wish: Wish, shop: Sample | None) -> list[str]:
    me = spelled()
    if wish.plan_file != Path("plan.toml"):
        me += f" --plan {shlex.quote(str(wish.plan_file))}"
    found = _demo_steps(wish, me) if shop is not None else [(f"{me} status", ""), (f"{me} doctor", "")]
    lines = ["Try this next, in a second terminal:"]
    for command, why in found:
        lines += [f"  {command}"] + ([f"      {why}"] if why else [])
    return lines


def _demo_steps(wish: Wish, me: str) -> list[tuple[str, str]]:
    first = next(iter(wish.plan.routes))
    python = shlex.quote(os.path.relpath(sys.executable))
    faults = f"{python} -m extracted.catalog faults clear --url {wish.plan.services[sample.SERVICE].url}"
    return [
        (f"{me} status", "where every route stands"),
        (f"{me} report {first}", "two answers side by side, and the field that differs"),
        (f"{me} shift {first} --to 10", "the gate says no, and why"),
        (faults, "mends the three planted differences: a new build, a new count"),
        (f"{me} route get {first} --watch", "READY in about two minutes; then shift again"),
        (f"{me} rollback {first}", "everyone back to legacy, within a second"),
    ]
