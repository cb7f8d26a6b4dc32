"""The machine: Python, the state folder, its secrets, its disk, and the ports."""

from __future__ import annotations

import platform
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from desk.doctor.check import Check, bad, ok, warn
from desk.ports_in_use import taken
from desk.programs import own_listeners
from migration.core.plan import Plan

OLDEST = (3, 11)
LEAST_FREE = 200 * 1024 * 1024  # bytes: evidence of a busy day is tens of megabytes
SOCKET_LIMIT = 104  # bytes of a Unix socket's path: 108 on Linux, 104 on macOS, with a closing zero


def examine(plan: Plan, facade_lives: bool) -> Iterator[Check]:
    """Everything about this machine."""
    yield _python()
    yield _state_folder(Path(plan.state_dir))
    yield from _secrets(Path(plan.state_dir))
    yield _disk(Path(plan.state_dir))
    yield _socket(plan)
    yield _ports(plan, facade_lives)


def _python() -> Check:
    version = platform.python_version()
    if sys.version_info < OLDEST:
        return bad("python", f"{version} is too old", "use Python 3.11 or newer: make install says how")
    return ok("python", f"{version} on {platform.system()} {platform.machine()}")


def _state_folder(folder: Path) -> Check:
    if not folder.is_dir():
        return bad("state folder", f"{folder} does not exist", "strangler flags init, or strangler up")
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-"):
            return ok("state folder", f"{folder} can be written")
    except OSError as error:
        return bad(
            "state folder", f"{folder} cannot be written: {error.strerror}", "check its owner and the disk"
        )


def _secrets(folder: Path) -> Iterator[Check]:
    for name in ("secret", "admin-token"):
        path = folder / name
        if not path.exists():
            yield warn(
                name, f"{path} does not exist yet", "it is made at the first start: strangler flags init"
            )
        elif stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield bad(name, f"{path} can be read by others", f"chmod 600 {path}")
        else:
            yield ok(name, f"{path} is its owner's alone")


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder if folder.exists() else folder.parent).free
    said = f"{free // 1_048_576:,} MB free for {folder}"
    if free < LEAST_FREE:
        return bad("disk", said, "make room: without it no evidence is kept and the ledger cannot be written")
    return ok("disk", said)


def _socket(plan: Plan) -> Check:
    long = len(plan.facade.tap.encode())
    if long >= SOCKET_LIMIT:
        cure = "set tap under [facade] in the plan to a shorter path"
        return bad("tap socket", f"its path has {long} bytes, a socket's may have {SOCKET_LIMIT - 1}", cure)
    return ok("tap socket", plan.facade.tap)


def _ports(plan: Plan, facade_lives: bool) -> Check:
    if facade_lives:
        return ok("ports", f"{plan.facade.port} and {plan.facade.admin_port}: the facade is there")
    said = taken(own_listeners(plan))
    if said:
        return bad("ports", " ".join(said), "and then: strangler up")
    return ok("ports", f"{plan.facade.port} and {plan.facade.admin_port} are free (no facade runs)")
