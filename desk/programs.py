"""What a supervisor runs: one program as a value, and the programs of a plan."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from migration.core.plan import Plan


@dataclass(frozen=True, slots=True)
class Probe:
    """When a program is ready: `url` answers below 500, or the Unix socket `path` accepts."""

    url: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """One process to keep running; `grace` is how long it may take to end, in seconds."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    probe: Probe | None = None
    grace: float = 10.0


@dataclass(frozen=True, slots=True)
class Listener:
    """An address that a program will bind, and the setting that moves it."""

    host: str
    port: int
    who: str
    setting: str


ADMIN_HOST = "127.0.0.1"  # the admin port is never offered to the network


def front(plan: Plan) -> str:
    """Where the facade is reached from this machine."""
    host = plan.facade.host
    shown = "127.0.0.1" if host in ("", "0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104
    return f"http://{shown}:{plan.facade.port}"


def address(url: str) -> tuple[str, int]:
    """Host and port of `url`."""
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or (443 if parts.scheme == "https" else 80)


def strangler(plan_file: Path, *words: str) -> tuple[str, ...]:
    """The command line of one of our own processes, run by this very interpreter."""
    return (sys.executable, "-m", "desk", "--plan", str(plan_file), *words)


def own_programs(plan: Plan, plan_file: Path, workers: int = 1) -> tuple[Program, ...]:
    """Shadow, conductor, sync (where data is kept in step) and facade, in the order they start."""
    admin = f"http://{ADMIN_HOST}:{plan.facade.admin_port}"
    synced = any(part.data == "sync" for part in plan.slices.values())
    # It ends between two rounds; a round that is under way may take some seconds.
    sync = Program("sync", strangler(plan_file, "run", "sync"), grace=20.0)
    return (
        # It waits for what it asks, and writes: with a service and a store that hang, fifteen seconds.
        Program(
            "shadow", strangler(plan_file, "run", "shadow"), probe=Probe(path=plan.facade.tap), grace=20.0
        ),
        Program("conductor", strangler(plan_file, "run", "conductor")),
        *([sync] if synced else []),
        # The facade drains: it finishes the requests it has, so it is given the longest.
        Program(
            "facade",
            strangler(plan_file, "run", "facade", "--workers", str(workers)),
            probe=Probe(url=f"{admin}/readyz"),
            grace=20.0,
        ),
    )


def own_listeners(plan: Plan) -> tuple[Listener, ...]:
    """What the facade will bind."""
    settings = plan.facade
    return (
        Listener(settings.host, settings.port, "the facade", "port under [facade] in the plan"),
        Listener(
            ADMIN_HOST,
            settings.admin_port,
            "the facade's admin port",
            "admin_port under [facade] in the plan",
        ),
    )
