"""What `strangler up` prints once everything is ready: where to look, and what to type next."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
from pathlib import Path

from desk import sample
from desk.programs import ADMIN_HOST, front
from migration.core.plan import Plan


def welcome(plan: Plan, plan_file: Path, demo: bool, seconds: float) -> str:
    """All lines; `seconds` is how long the start took."""
    lines = ["", f"Ready after {seconds:.0f} s.", "", f"  {front(plan)}/  through the facade"]
    lines.append(f"  {plan.legacy.url}/  legacy, directly")
    lines += [f"  {one.url}/  {one.name}, directly" for one in plan.services.values()]
    lines.append(f"  http://{ADMIN_HOST}:{plan.facade.admin_port}/metrics  the facade's metrics")
    return "\n".join([*lines, "", *_next(plan, plan_file, demo), "", "Ctrl-C stops everything.", ""])


def _next(plan: Plan, plan_file: Path, demo: bool) -> list[str]:
    me = spelled()
    if plan_file != Path("plan.toml"):
        me += f" --plan {shlex.quote(str(plan_file))}"
    found = _demo_steps(plan, me) if demo else [(f"{me} status", ""), (f"{me} doctor", "")]
    lines = ["Try this next, in a second terminal:"]
    for command, why in found:
        lines += [f"  {command}"] + ([f"      {why}"] if why else [])
    return lines


def _demo_steps(plan: Plan, me: str) -> list[tuple[str, str]]:
    first = next(iter(plan.routes))
    python = shlex.quote(os.path.relpath(sys.executable))
    faults = f"{python} -m extracted.catalog faults clear --url {plan.services[sample.SERVICE].url}"
    return [
        (f"{me} status", "where every route stands"),
        (f"{me} report {first}", "two answers side by side, and the field that differs"),
        (f"{me} shift {first} --to 10", "the gate says no, and why"),
        (faults, "mends the three planted differences: a new build, a new count"),
        (f"{me} route get {first} --watch", "READY in about two minutes; then shift again"),
        (f"{me} rollback {first}", "everyone back to legacy, within a second"),
        *_data_steps(plan, me),
    ]


def _data_steps(plan: Plan, me: str) -> list[tuple[str, str]]:
    part = plan.slices.get(sample.ORDERING)
    if part is None or part.data != "sync":
        return []
    return [
        (f"{me} sync status {part.name}", "the same orders in two databases, a moment apart"),
        (f"{me} flip {part.name} --to extracted", "orders are placed in the service from now on"),
        (f"{me} flip {part.name} --to legacy", "and back, with every order"),
    ]


def spelled() -> str:
    """How this person calls us: `strangler` where that works, else the path of the script."""
    script = Path(sys.argv[0])
    if shutil.which("strangler") or script.name != "strangler":
        return "strangler"
    with contextlib.suppress(ValueError):
        return str(script.absolute().relative_to(Path.cwd()))
    return shlex.quote(str(script))
