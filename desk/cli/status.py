"""`strangler status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from desk.cli import desk, telling
from desk.cli.commands import DeskCommand
from desk.errors import Exit

if TYPE_CHECKING:
    from desk.core.advice import RouteView
    from desk.view import Look

_WIDE = 200  # columns that the table needs
_HEADERS = ("route", "stage", "asked/served", "verdict", "top finding", "gate", "next")
_COLOURS = (telling.BAD, telling.BAD, telling.WAIT, telling.WAIT, telling.PLAIN, telling.GOOD)


@click.command(cls=DeskCommand)
@telling.json_option
@click.pass_context
def status(context: click.Context, as_json: bool) -> int:
    """One row per route, worst first: where it stands, what is asked and served, what to type next."""
    from desk.core.advice import severity, worst_first
    from desk.view import look

    plan = desk.load(context)
    seen = look(plan, plan.routes.values(), desk.now())
    if as_json:
        telling.as_json("status", json_body(seen))
        return Exit.YES
    views = worst_first(list(seen.views))
    if plan.evidence.demo:
        telling.say("Demo limits: these verdicts are for a demonstration.")
    colours = [_COLOURS[severity(one)] for one in views]
    if telling.narrow(_WIDE):
        telling.cards([card(one) for one in views], colours)
    else:
        telling.table(_HEADERS, [row(one) for one in views], colours)
    tell_troubles(seen)
    return Exit.YES


def row(view: RouteView) -> list[str]:
    """One line of the table."""
    from desk.core.advice import asked, next_command, sentence, served

    # NONE is no verdict: a route that nobody compares has none.
    word = "-" if view.evidence.verdict == "NONE" else view.evidence.verdict
    verdict = " ".join(filter(None, (word, view.short)))
    return [
        view.route.id,
        view.stage + (" HOLD" if view.state.hold else ""),
        f"{asked(view.intent)} / {served(view.state, view.intent)} %",
        verdict,
        view.top_finding or "-",
        sentence(view),
        next_command(view),
    ]


def card(view: RouteView) -> tuple[list[str], list[str]]:
    """The same for a terminal that is too narrow for the table."""
    route, stage, shares, verdict, finding, why, then = row(view)
    below = [
        why if verdict == "-" else f"{verdict}: {why}",
        f"worst: {finding}" if finding != "-" else "",
        f"next: {then}" if then != "-" else "",
    ]
    asked, served = shares.split(" / ")
    return [route, stage, f"asked {asked}, served {served}"], below


def tell_troubles(seen: Look) -> None:
    """What could not be read, to stderr."""
    for trouble in seen.troubles:
        telling.say(trouble)
    if not seen.conducted:
        telling.say(
            "No conductor runs: what the flags ask for beyond this waits. Next: strangler run conductor"
        )


def json_body(seen: Look) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "conducted": seen.conducted,
        "troubles": list(seen.troubles),
        "routes": [json_view(one) for one in seen.views],
    }


def json_view(view: RouteView) -> dict[str, Any]:
    """One route as JSON."""
    from desk.core.advice import next_command, sentence, served

    state, intent = view.state, view.intent
    return {
        "route": view.route.id,
        "method": view.route.method,
        "template": view.route.template.text,
        "reads": state.stage.value,
        "writes": view.writes.write_stage.value if view.writes is not None else "legacy",
        "asked_pct": intent.rollout if intent is not None and intent.known else None,
        "served_pct": served(state, intent),
        "cap_pct": state.cap_pct,
        "mirrored_pct": view.mirrored,
        "killed": bool(intent is not None and intent.killed),
        "hold": state.hold,
        "hold_reason": state.hold_reason,
        "since": state.since,
        "version": state.version,
        "verdict": view.evidence.verdict,
        "verdict_sentence": view.evidence.sentence,
        "numbers": view.numbers,
        "top_finding": view.top_finding,
        "gate": view.gate.outcome if view.gate is not None else None,
        "gate_step": view.step,
        "sentence": sentence(view),
        "flag_problem": intent.problem if intent is not None else "the flags cannot be read",
        "next": next_command(view),
    }
