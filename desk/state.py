"""The state folder of a plan: made when it is missing, used by one `up` at a time."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from desk.errors import DeskError
from migration.bootstrap import open_flag_source, open_flag_writer, open_ledger
from migration.core.flags import plan_flags
from migration.core.plan import Plan
from migration.errors import FlagError, LedgerError
from migration.secret import admin_token, project_secret


async def prepare(plan: Plan, say: Callable[[str], None]) -> None:
    """Make folder, secrets, ledger and flags where they are missing."""
    make_folder(plan)
    await asyncio.to_thread(make_ledger, plan)  # beside the loop, which has to hear of Ctrl-C
    try:
        created = await make_flags(plan)
    except FlagError as error:
        # The flag source may be away: what was last applied goes on being served.
        say(f"the flags cannot be created now ({error}); goes on with what was applied last")
        return
    if created:
        say(f"created {len(created)} flags, each at the share that is served now")


def make_folder(plan: Plan) -> None:
    """Create the state folder and its secrets where they are missing."""
    Path(plan.state_dir).mkdir(mode=0o700, parents=True, exist_ok=True)
    project_secret(plan.state_dir)
    admin_token(plan.state_dir)


def make_ledger(plan: Plan) -> None:
    """Create the ledger at the first start, with a row for every route; never a second time.

    A ledger that is gone is not replaced by an empty one: everything that moved would silently be at legacy
    again, and routes whose legacy code was deleted would fail.
    """
    mark = Path(plan.state_dir) / "ledger-was-made"
    with _locked(Path(plan.state_dir) / "make.lock"):  # facade, shadow and conductor may start together
        try:
            ledger = open_ledger(plan.ledger.url, create=not mark.exists())
        except LedgerError as error:
            if mark.exists():
                raise LedgerError(
                    f"{error}. To start anew instead, remove the folder {plan.state_dir}"
                ) from None
            raise
        try:
            ledger.ensure(plan.routes)
            ledger.ensure_slices(part.name for part in plan.slices.values() if part.data == "sync")
        finally:
            ledger.close()
        mark.touch()


async def make_flags(plan: Plan) -> tuple[str, ...]:
    """Create the flags that are missing, each at the share that was last applied; returns their names.

    At 0 % they would ask for everything to go back to legacy: a flag file that was lost would move users.
    """
    missing = await _missing(plan)
    shares = _applied(plan)
    writer = open_flag_writer(plan.flags)
    try:
        for flag in missing:
            if shares.get(flag):
                await writer.set_rollout(flag, shares[flag])
        await writer.ensure(missing)
    finally:
        await writer.close()
    return missing


async def _missing(plan: Plan) -> tuple[str, ...]:
    if plan.flags.kind == "file" and not os.path.exists(plan.flags.location):  # noqa: PTH110, ASYNC240 - a stat
        return plan_flags(plan)
    source = open_flag_source(plan.flags, time.time)
    try:
        known = (await source.fetch()).features
    finally:
        await source.close()
    return tuple(flag for flag in plan_flags(plan) if flag not in known)


def _applied(plan: Plan) -> dict[str, int]:
    """What each flag's last applied share is, by the ledger."""
    ledger = open_ledger(plan.ledger.url, create=False)
    try:
        rows = ledger.routes()
    finally:
        ledger.close()
    found: dict[str, int] = {}
    for route in plan.routes.values():
        if route.id in rows:
            found[route.flag] = rows[route.id].applied_pct
            found[route.shadow_flag] = rows[route.id].mirror_pct
    return found


async def mirror_everything(plan: Plan) -> None:
    """Ask for all mirrored routes to be compared at 100 %; the conductor does it."""
    writer = open_flag_writer(plan.flags)
    try:
        for route in plan.routes.values():
            if route.mirror:
                await writer.set_rollout(route.shadow_flag, 100)
    finally:
        await writer.close()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def only_one_up(plan: Plan) -> Iterator[None]:
    """Hold the state folder's lock; DeskError when another `up` has it."""
    folder = Path(plan.state_dir)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "up.lock").open("a+") as lock:
        # Not inherited by children (Python's default), so it ends with us however we end.
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise DeskError(
                f"`strangler up` already runs on {folder} (process {lock.read().strip() or 'unknown'}).\n"
                "Next: use it from here (strangler status), or stop it with Ctrl-C where it runs"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
