"""`strangler gate check R`: can this route take its next step?"""

from __future__ import annotations

import click

from desk.cli import desk, telling
from desk.cli.commands import DeskGroup
from desk.errors import Exit

_CODES = {"pass": Exit.YES, "fail": Exit.NO, "wait": Exit.NOT_ENOUGH}


@click.group(cls=DeskGroup)
def gate() -> None:
    """Ask whether a route may take its next step."""


@gate.command()
@click.argument("name", metavar="R")
@click.option("--to", "share", type=desk.Share(), metavar="N", help="Ask for N % instead of the next step.")
@telling.json_option
@click.pass_context
def check(context: click.Context, name: str, share: int | None, as_json: bool) -> int:
    """May the route R go further? Exit 0: yes. 1: no. 4: not enough evidence yet."""
    from desk.gate_check import ask

    plan = desk.load(context)
    found = ask(plan, desk.find_route(plan, name), share, desk.now())
    if as_json:
        telling.as_json("gate_check", found.as_dict())
    else:
        rows = [(what, "yes" if ok else "no", value) for what, ok, value in found.lines]
        telling.table(
            ("asked", "met", "now"), rows, [telling.GOOD if line[1] else telling.BAD for line in found.lines]
        )
        telling.data(f"{found.result.outcome}: {found.result.sentence}")
    if found.result.outcome != "pass":
        telling.say(f"Next: strangler report {found.route}")
    return _CODES[found.result.outcome]
