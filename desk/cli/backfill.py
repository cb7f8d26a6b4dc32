"""`strangler backfill S`."""

from __future__ import annotations

import time

import click

from desk.cli import desk, telling
from desk.cli.commands import DeskCommand
from desk.errors import Exit


@click.command(cls=DeskCommand)
@click.argument("name", metavar="S")
@click.option("--anew", is_flag=True, help="Begin at the first row again, though an earlier run finished.")
@telling.json_option
@click.pass_context
def backfill(context: click.Context, name: str, anew: bool, as_json: bool) -> int:
    """Bring every row of slice S to the other side, while both are in use.

    It goes on where an earlier run ended, however it ended: Ctrl-C and kill -9 are fine. Exit 1: rows are in
    quarantine.
    """
    from desk.progress import Bar
    from desk.slice_stage import reach
    from desk.slices import opened
    from migration.core.stages import WriteStage
    from sync.backfill import backfill as run

    plan = desk.load(context)
    began = time.monotonic()
    try:
        with opened(plan, name) as both, Bar("backfill") as bar:
            done = run(both.lane(), bar.at, _pause, anew=anew)
    except KeyboardInterrupt:
        telling.say(f"Stopped; what is done is done. Next: strangler backfill {name}")
        raise
    took = time.monotonic() - began
    state = reach(plan, name, WriteStage.SYNC, "backfilled")
    if as_json:
        body = {"slice": name, "rows": done.rows, "held": done.held, "finished": done.finished}
        telling.as_json("backfill", body | {"seconds": round(took, 3), "writes": state.write_stage.value})
    else:
        rate = f" ({done.rows / took:,.0f} a second)" if took > 1 else ""
        told = f"{done.rows:,} rows written in {took:.1f} s{rate}, {done.held:,} held in quarantine"
        telling.data(f"{name}: {told}.")
        then = f"sync status {name}" if done.held else f"verify {name}"
        telling.say(f"Next: strangler {then}")
    return Exit.NO if done.held else Exit.YES


def _pause(seconds: float) -> bool:
    """Sleep; never says stop: Ctrl-C comes as an exception."""
    if seconds:
        time.sleep(seconds)
    return False
