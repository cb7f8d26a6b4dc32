"""`strangler doctor`."""

from __future__ import annotations

import click

from desk.cli import desk, telling
from desk.cli.commands import DeskCommand
from desk.errors import Exit

SAMPLE_PROBE = "/api/whereami"
_COLOURS = {"ok": telling.GOOD, "warn": telling.WAIT, "bad": telling.BAD}


@click.command(cls=DeskCommand)
@click.option(
    "--probe",
    metavar="PATH",
    help="A path whose answer depends on the client's address; it is asked three times, to prove that the "
    "monolith sees the same client through the facade. The sample shop has /api/whereami.",
)
@telling.json_option
@click.pass_context
def doctor(context: click.Context, probe: str | None, as_json: bool) -> int:
    """Look at everything this plan needs, and name the cure of what is wrong. Exit 1: something is bad."""
    import asyncio
    from dataclasses import asdict

    from desk.doctor.visit import visit

    if probe is not None and not probe.startswith("/"):
        raise click.UsageError(f"--probe is a path and starts with '/', this is {probe!r}")
    plan = desk.load(context)
    if probe is None and plan.evidence.demo:
        probe = SAMPLE_PROBE
    found = asyncio.run(visit(plan, desk.now(), probe))
    bad = [one for one in found if one.level == "bad"]
    if as_json:
        telling.as_json("doctor", {"ok": not bad, "checks": [asdict(one) for one in found]})
        return Exit.NO if bad else Exit.YES
    rows = [(one.level, one.name, one.what, one.cure) for one in found]
    telling.table(("", "checked", "found", "cure"), rows, [_COLOURS[one.level] for one in found])
    telling.data(
        f"{len(bad)} bad, {sum(one.level == 'warn' for one in found)} to know about, of {len(found)} checked."
    )
    return Exit.NO if bad else Exit.YES
