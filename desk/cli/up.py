"""`strangler up`."""

from __future__ import annotations

import click

from desk.cli import desk
from desk.cli.commands import DeskCommand

# Demo mode: 4 to 6 new sessions a second make a verdict in about two minutes.
RATE = 5


@click.command(cls=DeskCommand)
@click.option("--demo", is_flag=True, help="Also start the sample shop, its new service and visitors.")
@click.option(
    "--duration", type=click.FloatRange(0), metavar="S", help="Stop by itself S seconds after it is ready."
)
@click.option("--no-traffic", is_flag=True, help="With --demo: no visitors.")
@click.option(
    "--rate",
    type=click.IntRange(1, 50),
    default=RATE,
    show_default=True,
    help="With --demo: new visitors a second.",
)
@desk.workers
@click.pass_context
def up(
    context: click.Context, demo: bool, duration: float | None, no_traffic: bool, rate: int, workers: int
) -> int:
    """Start everything in the foreground; Ctrl-C stops it all, a second Ctrl-C kills it.

    Without --demo: the facade, the shadow process and the conductor of your own plan. State is kept in the
    plan's folder, in .strangler.
    """
    from desk.up import Wish, run

    plan = desk.load(context)
    wish = Wish(plan, desk.plan_file(context), demo, duration, not no_traffic, rate, workers)
    return run(wish)
