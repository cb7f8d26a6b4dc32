"""`strangler shift R --to N` and `strangler advance R`."""

from __future__ import annotations

from typing import Any

import click

from desk.cli import desk, telling
from desk.cli.commands import DeskCommand
from desk.errors import Exit

_REASON = click.option("--reason", default="", metavar="TEXT", help="Why; kept in the audit.")
_OVERRIDE = click.option(
    "--override",
    default=None,
    metavar="REASON",
    help="Pass a gate that says no; shown in the audit for ever.",
)


@click.command(cls=DeskCommand)
@click.argument("name", metavar="R")
@click.option(
    "--to", "share", type=desk.Share(), required=True, metavar="N", help="Per cent of keys, 0 to 100."
)
@_REASON
@_OVERRIDE
@click.pass_context
def shift(context: click.Context, name: str, share: int, reason: str, override: str | None) -> int:
    """Let the new service answer N % of the keys of route R, if the gate allows it.

    Refused: nothing changes, exit 1 (the gate says no) or 4 (not enough evidence yet). Done: any hold is
    released. Users keep their side: raising moves nobody back.
    """
    from desk import moves

    plan = desk.load(context)
    chosen = desk.find_route(plan, name)
    return tell_outcome(moves.shift(plan, chosen, share, person(reason, override), desk.now()))


@click.command(cls=DeskCommand)
@click.argument("name", metavar="R")
@_REASON
@_OVERRIDE
@click.option(
    "--confirm", default="", metavar="R", help="The route's id, typed again: needed to retire legacy."
)
@click.pass_context
def advance(context: click.Context, name: str, reason: str, override: str | None, confirm: str) -> int:
    """Take the next step of route R's declared ladder, once the present one has soaked."""
    from desk import moves

    plan = desk.load(context)
    chosen = desk.find_route(plan, name)
    confirmed = confirm == chosen.id
    return tell_outcome(
        moves.advance(plan, chosen, person(reason, override), desk.now(), confirmed=confirmed)
    )


def person(reason: str, override: str | None) -> Any:
    """Who asks; an empty override is refused, because it has to say why."""
    from migration.shift import Person

    if override is not None and not override.strip():
        raise click.UsageError('--override needs a reason, for example --override "agreed with team-catalog"')
    return Person(desk.actor(), reason, override or "")


def tell_outcome(outcome: Any) -> int:
    """What came of a move: said, shown, and as an exit code."""
    for line in outcome.said:
        telling.say(line)
    if outcome.served:
        telling.data(outcome.served)
    code: Exit = outcome.code
    return code
