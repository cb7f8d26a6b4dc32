"""`strangler rollback R`."""

from __future__ import annotations

import click

from desk.cli import desk
from desk.cli.commands import DeskCommand
from desk.cli.shift import tell_outcome


@click.command(cls=DeskCommand)
@click.argument("name", metavar="R")
@click.option("--to", "share", type=desk.Share(), default="0", metavar="N", help="Keep N % instead of none.")
@click.option("--reason", default="", metavar="TEXT", help="Why; kept in the audit and shown as the hold.")
@click.pass_context
def rollback(context: click.Context, name: str, share: int, reason: str) -> int:
    """Bring all users of route R back to legacy within a second, and hold them there.

    Works with the flag source down. Nothing but a person's shift or advance releases the hold.
    """
    from desk import moves

    plan = desk.load(context)
    chosen = desk.find_route(plan, name)
    return tell_outcome(moves.rollback(plan, chosen, share, desk.actor(), reason or "by hand", desk.now()))
