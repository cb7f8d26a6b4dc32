"""`strangler capture plan|install|audit|remove S`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from desk.cli import desk, telling
from desk.cli.commands import DeskGroup
from desk.errors import Exit, Refusal
from shadow.core.words import count_of

if TYPE_CHECKING:
    from migration.core.plan import Plan
    from sync.capture import Audited
    from sync.core.values import Side


@click.group(cls=DeskGroup)
def capture() -> None:
    """Note each change of a slice's tables in the transaction that makes it, and fence the other side."""


@capture.command("plan", short_help="The SQL that install would run, for a database administrator.")
@click.argument("name", metavar="S")
@telling.json_option
@click.pass_context
def plan_(context: click.Context, name: str, as_json: bool) -> int:
    """Print the statements that `capture install S` would run on either side: objects, grants, parameters."""
    from desk.slices import opened
    from sync.capture import script

    with opened(desk.load(context), name) as both:
        scripts = script(both)
        where = {side: both.pair.on(side).describe() for side in scripts}
    return _print("capture_plan", name, scripts, where, f"capture install {name}", as_json)


def _removal(plan: Plan, name: str, everything: bool, as_json: bool) -> int:
    from desk.slices import opened
    from sync.capture import removal

    with opened(plan, name) as both:
        scripts = removal(both, everything=everything)
        where = {side: both.pair.on(side).describe() for side in scripts}
    return _print("capture_removal", name, scripts, where, f"sync status {name}", as_json)


def _print(
    what: str, name: str, scripts: dict[Side, str], where: dict[Side, str], then: str, as_json: bool
) -> int:
    if as_json:
        sides = [{"side": side, "database": where[side], "script": text} for side, text in scripts.items()]
        telling.as_json(what, {"slice": name, "sides": sides})
        return Exit.YES
    for side, text in scripts.items():
        telling.data(f"-- {side}: {where[side]}")
        for line in text.splitlines():
            telling.data(line)
    telling.say(f"Nothing was changed. Next: strangler {then}")
    return Exit.YES


@capture.command(short_help="Install capture and fence on both sides, if the audit finds no hole.")
@click.argument("name", metavar="S")
@telling.json_option
@click.pass_context
def install(context: click.Context, name: str, as_json: bool) -> int:
    """Install capture and fence on both sides, if the audit finds no hole.

    Idempotent: what is there stays, what is missing is made, and tables that a migration of theirs has
    changed are accepted as they are now. Exit 1: the audit refuses, and nothing was installed.
    """
    from desk.slice_stage import reach, read_all
    from desk.slices import opened
    from migration.core.stages import WriteStage
    from sync.trial import install_if_invertible

    plan = desk.load(context)
    read_all(plan)  # without a ledger nothing is begun
    with opened(plan, name) as both:
        audited, tried = install_if_invertible(both)
        where = {side: both.pair.on(side).describe() for side in audited.findings}
    state = reach(plan, name, WriteStage.CAPTURE, "capture installed")
    if as_json:
        body = {"slice": name, "installed": True, "writes": state.write_stage.value}
        body |= {"tried": tried.rows, "poison": len(tried.poison), "gap": audited.gap}
        telling.as_json("capture_install", body | _json(audited))
        return Exit.YES
    _show(audited)
    if audited.gap:
        telling.say("Capture had been away: everything has to be brought and verified again.")
    if tried.poison:
        telling.say(
            f"{len(tried.poison)} of {tried.rows} rows tried have no counterpart and will wait in "
            f"quarantine, for example: {tried.poison[0][1]}"
        )
    for side, database in where.items():
        telling.data(f"{name}: capture is installed on the {side} side ({database}).")
    telling.say(f"Next: strangler backfill {name}")
    return Exit.YES


@capture.command(short_help="Every known hole through which a write could pass unseen.")
@click.argument("name", metavar="S")
@telling.json_option
@click.pass_context
def audit(context: click.Context, name: str, as_json: bool) -> int:
    """Look for every known hole through which a write could pass unseen. Exit 1: one of them refuses."""
    from desk.slices import opened
    from sync.capture import audit as run

    with opened(desk.load(context), name) as both:
        audited = run(both)
    if as_json:
        telling.as_json("capture_audit", {"slice": name} | _json(audited))
        return Exit.NO if audited.fatal else Exit.YES
    _show(audited)
    count = sum(len(found) for found in audited.findings.values())
    telling.data(f"{name}: {len(audited.fatal)} holes, {count - len(audited.fatal)} to know about.")
    then = f"capture audit {name}, once they are closed" if audited.fatal else f"capture install {name}"
    telling.say(f"Next: strangler {then}")
    return Exit.NO if audited.fatal else Exit.YES


@capture.command(short_help="Drop the triggers; --all leaves no object of ours behind.")
@click.argument("name", metavar="S")
@click.option(
    "--all", "everything", is_flag=True, help="Abandon: drop every object and row of the slice too."
)
@click.option("--confirm", default="", metavar="S", help="The slice's name, typed again: needed with --all.")
@click.option(
    "--accept-authority",
    is_flag=True,
    help="Though the extracted side is the authority: legacy's copy goes stale from now on.",
)
@click.option(
    "--sql", "only_sql", is_flag=True, help="Only print the statements, for a database administrator."
)
@telling.json_option
@click.pass_context
def remove(
    context: click.Context,
    name: str,
    everything: bool,
    confirm: str,
    accept_authority: bool,
    only_sql: bool,
    as_json: bool,
) -> int:
    """Drop the triggers of both sides; with --all nothing of ours stays in either database.

    Without --all the outbox stays, so that its numbers never repeat: `capture install` goes on from there,
    and then `backfill --anew` brings what was written meanwhile.
    """
    from desk.slice_stage import reach, read_all
    from desk.slices import find, opened
    from migration.core.stages import WriteStage
    from sync.capture import remove as run

    plan = desk.load(context)
    if only_sql:
        return _removal(plan, name, everything, as_json)
    if everything and confirm != find(plan, name):
        raise Refusal(
            f"Abandoning {name} forgets what was applied, and what was held up.\n"
            f"Next: strangler capture remove {name} --all --confirm={name}"
        )
    read_all(plan)
    with opened(plan, name) as both:
        gone = run(both, everything=everything, accept_authority=accept_authority)
        left = {side: tuple(both.on(side).objects()) for side in gone}
    reach(plan, name, WriteStage.LEGACY, "capture removed")
    if as_json:
        sides = [{"side": side, "dropped": gone[side], "left": left[side]} for side in gone]
        telling.as_json("capture_remove", {"slice": name, "sides": sides})
        return Exit.YES
    for side, names in gone.items():
        kept = f", {len(left[side])} objects of ours stay" if left[side] else ", nothing of ours stays"
        telling.data(f"{name}: dropped {count_of(len(names), 'object')} on the {side} side{kept}.")
    telling.say("Next: strangler status")
    return Exit.YES


def _show(audited: Audited) -> None:
    rows = [
        ("hole" if each.fatal else "know", side, each.code, each.where, each.what, each.cure)
        for side, found in audited.findings.items()
        for each in found
    ]
    if rows:
        colours = [telling.BAD if row[0] == "hole" else telling.WAIT for row in rows]
        telling.table(("", "side", "code", "where", "found", "cure"), rows, colours)


def _json(audited: Audited) -> dict[str, object]:
    from dataclasses import asdict

    found = [{"side": side, **asdict(each)} for side, all_of in audited.findings.items() for each in all_of]
    return {"ok": not audited.fatal, "findings": found}
