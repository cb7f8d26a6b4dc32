"""The facade as a subject: its plan, its state, its shadow process, and what its metrics tell of a round."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.facade.subject import Subject
from bench.facade.upstream import LOAD_CORE, Home
from tools.servers import free_port

REPO = Path(__file__).resolve().parents[2]
SHARE = 30  # per cent of keys that extracted answers
KEYS = 997
_DRAIN = 3.0  # seconds for what is on its way to the shadow process
_PLAN = """[legacy]
url = "http://127.0.0.1:{legacy}"
build_header = "X-Build"
[services.catalog]
url = "http://127.0.0.1:{extracted}"
build_header = "X-Build"
[facade]
port = {port}
admin_port = {admin}
[slices.shop]
owner = "bench"
service = "catalog"
data = "none"
"""
_ROUTE = """[[slices.shop.routes]]
name = "show{number}"
match = "GET /api/area{number}/products/{{id:int}}"
mirror = true
effects_free = true
"""


def facade(
    home: Home,
    name: str,
    routes: int,
    *,
    tree: Path = REPO,
    python: Path | None = None,
    workers: int = 0,
    examined: bool = False,
    environment: dict[str, str] | None = None,
) -> Subject:
    """A running facade of the checkout `tree` with that many routes, and who takes its exchanges.

    That is the shadow process where they are to be examined. It takes longer for each than the facade, and an
    exchange that finds the queue full costs less: elsewhere a listener takes them all and only counts.
    `python` has an installed facade, which is measured instead of the checkout's.
    """
    port, admin = free_port(), free_port()
    plan = _plan(home, name, routes, port, admin)
    apart = {"PYTHONPATH": "", "PYTHONSAFEPATH": "1"} if python else {"PYTHONPATH": str(tree)}
    surroundings = {**apart, **(environment or {})}
    cookie, keys = _prepared(plan, tree)

    words: list[str | Path] = ["-m", "desk", "--plan", plan, "run"]
    counting: list[str | Path] = [sys.executable, "-P", Path(__file__).with_name("counting.py"), plan]
    shadow = home.start(
        f"{name}-shadow",
        [sys.executable, *words, "shadow"] if examined else counting,
        None,
        LOAD_CORE,
        directory=tree,
        environment={"PYTHONPATH": str(tree)},
    )
    more = ["--workers", str(workers)] if workers else []
    command = [python or sys.executable, *words, "facade", *more]
    process = home.start(name, command, port, directory=tree, environment=surroundings)
    found = Subject(
        name, port, process, routes=routes, admin_port=admin, cookie=cookie, keys=keys, shadow=shadow
    )
    process.wait_until("the tap to be connected", lambda: _total(found, "strangler_tap_connected"), 30)
    time.sleep(1)  # the ledger and the flags have been looked at by then
    shadow.sigstop()
    return found


def _plan(home: Home, name: str, routes: int, port: int, admin: int) -> Path:
    place = home.path / name
    place.mkdir()
    plan = place / "plan.toml"
    sides = {"legacy": home.legacy, "extracted": home.extracted}
    text = _PLAN.format(port=port, admin=admin, **sides)
    plan.write_text(text + "".join(_ROUTE.format(number=number) for number in range(routes)))
    return plan


@contextmanager
def shadow_at_work(subject: Subject, taps: bool) -> Iterator[None]:
    """Let the shadow process run while requests are tapped, and until all of them have reached it.

    Otherwise it stands still: what it has yet to examine would take the core of load and upstream of others.
    """
    if subject.shadow is None or not taps:
        yield
        return
    subject.shadow.sigcont()
    try:
        yield
        deadline = time.monotonic() + _DRAIN
        while on_its_way(counters(subject)) and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        subject.shadow.sigstop()


def _prepared(plan: Path, tree: Path) -> tuple[str, tuple[str, ...]]:
    surroundings = {"PYTHONPATH": str(tree), "PATH": "/usr/bin:/bin"}
    begin = [sys.executable, "-m", "desk", "--plan", str(plan), "flags", "init"]
    script = Path(__file__).with_name("state.py")
    fill = [sys.executable, "-P", str(script), str(plan), str(SHARE), str(KEYS)]
    for command in (begin, fill):
        done = subprocess.run(command, cwd=tree, env=surroundings, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed: {done.stderr or done.stdout}")
    found = json.loads(done.stdout)
    return found["cookie"], tuple(found["keys"])


def on_its_way(counted: dict[str, float]) -> float:
    """Exchanges that are neither tapped nor lost yet: eligible = tapped + Σ reasons."""
    known = sum(value for name, value in counted.items() if name.startswith("tap."))
    return 2 * counted.get("tap.eligible", 0.0) - known


_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? ([0-9.e+-]+)$", re.MULTILINE)


def counters(subject: Subject) -> dict[str, float]:
    """What the facade has counted: requests by side, exchanges by what became of them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{subject.admin_port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: dict[str, float] = {}
    for name, labels, value in _SAMPLE.findall(text):
        key = name
        if name == "strangler_requests_total":
            key = "side." + re.findall(r'side="([^"]*)"', labels)[0]
        elif name == "strangler_tap_exchanges_total":
            key = "tap." + re.findall(r'reason="([^"]*)"', labels)[0]
        found[key] = found.get(key, 0.0) + float(value)
    return found


def _total(subject: Subject, name: str) -> float:
    try:
        return counters(subject).get(name, 0.0)
    except OSError:
        return 0.0
