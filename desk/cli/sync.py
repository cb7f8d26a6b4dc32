"""`strangler sync status [S]`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from desk.cli import desk, telling
from desk.cli.commands import DeskGroup
from desk.cli.repair import held_json, show_held
from desk.cli.verify import mismatch_json, show
from desk.errors import Exit, Refusal

if TYPE_CHECKING:
    from desk.sync_look import SyncLook
    from sync.core.records import Progress
    from sync.core.values import Side
    from sync.status import EntityStatus


@click.group(cls=DeskGroup)
def sync() -> None:
    """Where the data of the slices stands."""


@sync.command(short_help="Lag, quarantine, differences, authority and fence of each slice.")
@click.argument("name", metavar="[S]", required=False)
@telling.json_option
@click.pass_context
def status(context: click.Context, name: str | None, as_json: bool) -> int:
    """Show where the data of slice S (or of every slice that is kept in step) stands, from both databases."""
    from desk.slices import find, synced
    from desk.sync_look import as_json as body
    from desk.sync_look import look

    plan = desk.load(context)
    names = synced(plan) if name is None else (find(plan, name),)
    seen = look(plan, names)
    if as_json:
        slices = [body(one, held_json, mismatch_json) for one in seen]
        telling.as_json("sync_status", {"slices": slices})
        return Exit.YES
    if not seen:
        telling.data("No slice is kept in step: the plan has none with data = 'sync'.")
    for at, one in enumerate(seen):
        if at:
            telling.data("")
        _show(one)
    return Exit.YES


@sync.command(short_help="Go on after a failover or a restore, once a person has looked.")
@click.argument("name", metavar="S")
@click.option("--out", type=click.Path(dir_okay=False), metavar="FILE", help="Default: in the state folder.")
@click.option("--confirm", default="", metavar="S", help="The slice's name, typed again.")
@telling.json_option
@click.pass_context
def accept(context: click.Context, name: str, out: str | None, confirm: str, as_json: bool) -> int:
    """Let slice S go on after its database was restored, or a failover lost its last commits.

    First every row that the follower has, and the authority has not or has otherwise, is written to a file,
    one JSON line each: what is only there will be overwritten or has to be carried over by you. Then a new
    epoch begins.
    """
    from desk.kept_rows import accept as run
    from desk.slices import find

    plan = desk.load(context)
    if confirm != find(plan, name):
        raise Refusal(
            f"Going on with {name} overwrites what only the follower has; it is written to a file first.\n"
            f"Next: strangler sync status {name}; then: strangler sync accept {name} --confirm={name}"
        )
    done = run(plan, name, out)
    if as_json:
        body = {"slice": name, "life": done.verdict.life, "sentence": done.verdict.sentence}
        more = {"kept": done.kept, "file": str(done.file), "epoch": done.epoch}
        telling.as_json("sync_accept", {**body, **more})
        return Exit.YES
    telling.data(f"{name}: {done.kept:,} rows kept in {done.file}; goes on in epoch {done.epoch}.")
    telling.say(f"Next: look at that file, then: strangler verify {name}")
    return Exit.YES


def _show(seen: SyncLook) -> None:
    from desk.sync_look import next_command

    now = seen.status
    telling.facts([*_head(seen), *_sides(seen)])
    if now.entities:
        headers = ("entity", "legacy", "extracted", "backfill", "verified", "held", "differ", "ids left")
        telling.table(headers, [_entity(one) for one in now.entities])
    show_held([each for one in now.entities for each in one.held])
    show([each for one in now.entities for each in one.mismatches])
    telling.data(f"Next: {next_command(seen)}")


def _head(seen: SyncLook) -> list[tuple[str, str]]:
    now, writes = seen.status, seen.writes
    stage = f"writes={writes.write_stage.value}" + ("" if writes.phase == "steady" else f" ({writes.phase})")
    pairs = [("slice", now.slice), ("stage", stage)]
    if now.authority is not None:
        state = "" if now.situation == "steady" else f", {now.situation}"
        pairs.append(("authority", f"{now.authority}, epoch {now.epoch}{state}"))
        pairs.append(("waiting", f"{now.pending:,} changes{_age(now.oldest)}; round {now.seen.round:,}"))
    pairs.append(("relay", _relay(seen)))
    if seen.fuse:
        pairs.append(("fuse", seen.fuse))
    if now.sentence:
        pairs.append(("wrong", now.sentence))
    return pairs


def _age(oldest: float | None) -> str:
    return "" if not oldest else f", the oldest for {oldest:,.1f} s"


def _relay(seen: SyncLook) -> str:
    told = seen.relay
    if seen.leader is None:
        return "nobody relays it: strangler run sync"
    if told.get("holder") != seen.leader:  # on another machine: what stands in our folder is older
        return f"led by {seen.leader}"
    sentence = f": {told['sentence']}" if told.get("sentence") else ""
    return f"{told.get('state')} as {seen.leader}{sentence}"


def _sides(seen: SyncLook) -> list[tuple[str, str]]:
    from sync.core.values import Side

    if seen.status.standing is None:
        return []
    return [(side.value, _side(seen, side)) for side in Side]


def _side(seen: SyncLook, side: Side) -> str:
    now = seen.status
    row = now.standing.on(side) if now.standing is not None else None
    if row is None:
        return "-"
    fence = "open" if now.fences.get(side) else "closed"
    refused = now.refused.get(side)
    count = "not counted here" if refused is None else f"{refused:,}"
    whole = {True: "as capture left them", False: "CHANGED since capture", None: "unknown"}
    stamp = whole[seen.stamps.get(side)]
    return f"{row.phase}, epoch {row.epoch}; fence {fence}; refused writes: {count}; tables {stamp}"


def _entity(one: EntityStatus) -> tuple[str, ...]:
    from sync.core.values import Side

    return (
        one.name,
        f"{one.rows[Side.LEGACY]:,}",
        f"{one.rows[Side.EXTRACTED]:,}",
        _walk(one.backfill, one.rows),
        _verified(one.verify),
        f"{len(one.held):,}",
        f"{len(one.mismatches):,}",
        f"{one.ids_left:,}" if one.ids_left else "-",
    )


def _walk(walk: Progress | None, rows: object) -> str:
    if walk is None:
        return "-"
    return "done" if walk.finished else f"{walk.done:,} rows"


def _verified(walk: Progress | None) -> str:
    if walk is None:
        return "never"
    if walk.passes:
        passes = "1 pass" if walk.passes == 1 else f"{walk.passes:,} passes"
        return f"{max(0.0, time.time() - walk.at):,.0f} s ago ({passes})"
    return f"{walk.done:,} rows so far"
