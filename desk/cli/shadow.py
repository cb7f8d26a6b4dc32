"""`strangler shadow start|stop R`."""

from __future__ import annotations

import click

from desk.cli import desk
from desk.cli.commands import DeskGroup
from desk.cli.shift import person, tell_outcome


@click.group(cls=DeskGroup)
def shadow() -> None:
    """Start or stop comparing a route's two answers. Users notice nothing."""


@shadow.command(short_help="Also ask the other side, and compare.")
@click.argument("name", metavar="R")
@click.option(
    "--sample", type=desk.Share(), default="100", metavar="N", help="Per cent of keys. Default: 100."
)
@click.option("--reason", default="", metavar="TEXT", help="Why; kept in the audit.")
@click.pass_context
def start(context: click.Context, name: str, sample: int, reason: str) -> int:
    """Also ask the other side what N % of the keys of route R asked, and compare."""
    from desk import moves

    plan = desk.load(context)
    chosen = desk.find_route(plan, name)
    return tell_outcome(moves.start_shadow(plan, chosen, sample, person(reason, None), desk.now()))


@shadow.command(short_help="Stop comparing.")
@click.argument("name", metavar="R")
@click.option("--reason", default="", metavar="TEXT", help="Why; kept in the audit.")
@click.pass_context
def stop(context: click.Context, name: str, reason: str) -> int:
    """Stop comparing route R; a route at stage shadow goes back to legacy."""
    from desk import moves

    plan = desk.load(context)
    chosen = desk.find_route(plan, name)
    return tell_outcome(moves.stop_shadow(plan, chosen, person(reason, None), desk.now()))
