"""`strangler flags init|lint`."""

from __future__ import annotations

import click

from desk.cli import desk, telling
from desk.cli.commands import DeskGroup
from desk.errors import Exit


@click.group(cls=DeskGroup)
def flags() -> None:
    """Create the plan's flags, or find what is wrong with them."""


@flags.command(short_help="Create ledger, secrets and flags where they are missing.")
@click.pass_context
def init(context: click.Context) -> int:
    """Create the ledger, the secrets and the flags of the plan where they are missing, and nothing else."""
    import asyncio

    from desk import state

    plan = desk.load(context)
    asyncio.run(state.prepare(plan, telling.say))
    telling.data(f"ready: {plan.state_dir}, {len(plan.routes)} routes, flags in {plan.flags.location}")
    return Exit.YES


@flags.command()
@telling.json_option
@click.pass_context
def lint(context: click.Context, as_json: bool) -> int:
    """Find flags that do not do what they seem to say. Exit 0 when there are none, else 1."""
    import asyncio
    from dataclasses import asdict

    from desk.view import read_flags

    plan = desk.load(context)
    found, trouble = asyncio.run(read_flags(plan, desk.now()))
    if found is None:
        telling.complain(f"{trouble}\nNext: strangler doctor")
        return Exit.COULD_NOT_RUN
    lints = found.lints(plan)
    if as_json:
        telling.as_json("flags_lint", {"ok": not lints, "lints": [asdict(one) for one in lints]})
    elif lints:
        telling.table(("flag", "what", "cure"), [(one.flag, one.what, one.cure) for one in lints])
    else:
        telling.data("All flags mean what they say.")
    return Exit.NO if lints else Exit.YES
