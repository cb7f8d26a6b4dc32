"""`strangler route get R [--watch]`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from desk.cli import desk, telling
from desk.cli.commands import DeskGroup
from desk.errors import Exit

if TYPE_CHECKING:
    from desk.view import Look
    from migration.core.plan import Plan, Route

WATCH_EVERY = 1.0  # seconds


@click.group(cls=DeskGroup)
def route() -> None:
    """One route in detail."""


@route.command(short_help="Where it stands, what is served, what its gate says.")
@click.argument("name", metavar="R")
@click.option("--watch", is_flag=True, help="Look again every second until Ctrl-C; one line for each change.")
@telling.json_option
@click.pass_context
def get(context: click.Context, name: str, watch: bool, as_json: bool) -> int:
    """Show where the route R stands, what is served, and what its gate says."""
    plan = desk.load(context)
    chosen = desk.find_route(plan, name)
    if watch:
        return _watch(plan, chosen, as_json)
    _show(_look(plan, chosen), as_json)
    return Exit.YES


def _look(plan: Plan, chosen: Route) -> Look:
    from desk.view import look

    return look(plan, [chosen], desk.now())


def _watch(plan: Plan, chosen: Route, as_json: bool) -> int:
    before = ""
    while not telling.reader_left():
        seen = _look(plan, chosen)
        line = _line(seen)
        if line != before:
            if as_json:
                _show(seen, as_json)
            else:
                telling.data(f"{time.strftime('%H:%M:%S')}  {line}")
        before = line
        time.sleep(WATCH_EVERY)
    return Exit.YES


def _line(seen: Look) -> str:
    from desk.cli.status import row

    _, stage, shares, verdict, finding, gate, _ = row(seen.views[0])
    parts = [stage, f"asked/served {shares}", verdict, finding if finding != "-" else "", gate]
    return " · ".join(filter(None, parts))


def _show(seen: Look, as_json: bool) -> None:
    from desk.cli.status import json_view, tell_troubles
    from desk.core.advice import asked, next_command, sentence, served

    view = seen.views[0]
    if as_json:
        body = {"conducted": seen.conducted, "troubles": list(seen.troubles), "route": json_view(view)}
        telling.as_json("route", body)
        return
    telling.facts(
        [
            ("route", f"{view.route.id}   {view.route.method} {view.route.template.text}"),
            ("stage", view.stage),
            ("flags ask", f"{asked(view.intent)} answered by extracted"),
            ("served", f"{served(view.state, view.intent)} % (proven up to {view.state.cap_pct} %)"),
            ("compared", f"{view.mirrored} % of keys"),
            ("verdict", f"{view.evidence.verdict}: {view.evidence.sentence}"),
            ("match", view.numbers or "-"),
            ("top finding", view.top_finding or "-"),
            ("hold", view.state.hold_reason or "yes" if view.state.hold else "no"),
            ("next step", view.step or "-"),
            ("gate", f"{view.gate.outcome}: {view.gate.sentence}" if view.gate else "-"),
            ("now", sentence(view)),
            ("ladder", " → ".join(["shadow", *(f"{share} %" for share in view.route.canary), "live"])),
            ("next", next_command(view)),
        ]
    )
    tell_troubles(seen)
