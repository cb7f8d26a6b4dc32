"""`strangler repair S` and `strangler redrive S`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from desk.cli import desk, telling
from desk.cli.commands import DeskCommand
from desk.cli.verify import mismatch_json, show, spelled
from desk.errors import DeskError, Exit, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sync.core.records import Mismatch
    from sync.core.rounds import Named
    from sync.core.values import Held
    from sync.rounds import Lane

_ENTITY = click.option("--entity", metavar="E", help="Only this entity.")
_KEY = click.option("--key", metavar="K", help="Only this key, as it is shown; needs --entity.")


@click.command(cls=DeskCommand)
@click.argument("name", metavar="S")
@_ENTITY
@_KEY
@click.option("--all", "everything", is_flag=True, help="Everything that verify has found.")
@click.option(
    "--remove-extras",
    is_flag=True,
    help="Also delete rows that only the follower has: they may be the last copy.",
)
@telling.json_option
@click.pass_context
def repair(
    context: click.Context,
    name: str,
    entity: str | None,
    key: str | None,
    everything: bool,
    remove_extras: bool,
    as_json: bool,
) -> int:
    """Settle proven differences of slice S from the side that is the authority, then look again.

    A row that only the follower has is left alone unless --remove-extras says so. Exit 1: something is left.
    """
    from desk.slices import opened, settled
    from sync.repair import repair as run

    if everything == (entity is not None):
        raise click.UsageError("Name an entity (and a key), or say --all.")
    _check(entity, key)
    with opened(desk.load(context), name) as both:
        lane = both.lane()
        _check_entity(lane, entity)
        known = lane.follower.mismatches(name)
        chosen = [one for one in known if _chosen(one.entity, one.key, entity, key)]
        if not chosen:
            raise DeskError(f"{name}: verify has found no such difference.\nNext: strangler verify {name}")
        done = settled(both, lambda now: run(now, chosen, remove_extras=remove_extras))
    if as_json:
        left = [mismatch_json(one) for one in (*done.left, *done.extras)]
        telling.as_json("repair", {"slice": name, "repaired": done.repaired, "left": left})
        return Exit.NO if left else Exit.YES
    return _tell_repaired(name, done.repaired, list(done.left), list(done.extras))


def _tell_repaired(name: str, repaired: int, left: list[Mismatch], extras: list[Mismatch]) -> int:
    show([*left, *extras])
    telling.data(f"{name}: {repaired:,} repaired, {len(left) + len(extras):,} left.")
    if extras:
        telling.say(f"Next: look at the extra rows; then: strangler repair {name} --all --remove-extras")
    else:
        telling.say(f"Next: strangler {f'sync status {name}' if left else f'verify {name}'}")
    return Exit.NO if left or extras else Exit.YES


@click.command(cls=DeskCommand)
@click.argument("name", metavar="S")
@_ENTITY
@_KEY
@telling.json_option
@click.pass_context
def redrive(context: click.Context, name: str, entity: str | None, key: str | None, as_json: bool) -> int:
    """Try rows in quarantine again, after the mapping or the data was mended; all of them, or one.

    What waits for such a row comes along. Exit 1: something is still held.
    """
    from desk.slices import opened, settled
    from sync.repair import redrive as run

    _check(entity, key)
    with opened(desk.load(context), name) as both:
        lane = both.lane()
        _check_entity(lane, entity)
        before = lane.follower.held(name)
        chosen = _named(before, entity, key)
        if before and not chosen:
            raise DeskError(f"{name}: no such row is in quarantine.\nNext: strangler sync status {name}")
        if before:
            settled(both, lambda now: run(now, () if entity is None else chosen))
        left = lane.follower.held(name)
    if as_json:
        still = [held_json(one) for one in left]
        telling.as_json("redrive", {"slice": name, "released": len(before) - len(left), "held": still})
    else:
        show_held(left)
        telling.data(f"{name}: {len(before) - len(left):,} released, {len(left):,} held.")
        telling.say(f"Next: strangler {f'redrive {name}, once it is mended' if left else f'verify {name}'}")
    return Exit.NO if left else Exit.YES


def show_held(held: Sequence[Held]) -> None:
    """What is in quarantine: a table of the first ones."""
    rows = [
        (
            one.entity,
            spelled(one.key),
            f"{one.root_entity} {spelled(one.root_key)}",
            str(one.tries),
            _why(one),
        )
        for one in held[:20]
    ]
    if rows:
        headers = ("held", "key", "belongs to", "tries", "why")
        telling.table(headers, rows, [telling.BAD if one.error else telling.WAIT for one in held[:20]])
    if len(held) > 20:
        telling.data(f"… and {len(held) - 20:,} more; all of them with --json")


def held_json(one: Held) -> dict[str, object]:
    """One row in quarantine as JSON."""
    return {
        "entity": one.entity,
        "key": spelled(one.key),
        "root_entity": one.root_entity,
        "root_key": spelled(one.root_key),
        "error": one.error,
        "waits_for": one.waits_for,
        "deleted": one.deleted,
        "since": one.since,
        "tries": one.tries,
    }


def _why(one: Held) -> str:
    return one.error or f"waits for {one.waits_for}"


def _named(held: Sequence[Held], entity: str | None, key: str | None) -> list[Named]:
    return [(one.entity, one.key) for one in held if _chosen(one.entity, one.key, entity, key)]


def _chosen(its_entity: str, its_key: object, entity: str | None, key: str | None) -> bool:
    return entity in (None, its_entity) and key in (None, spelled(its_key))


def _check(entity: str | None, key: str | None) -> None:
    if key is not None and entity is None:
        raise click.UsageError("--key needs --entity: several entities may have that key.")


def _check_entity(lane: Lane, entity: str | None) -> None:
    from desk.core.suggest import did_you_mean

    names = [one.name for one in lane.spec.entities]
    if entity is not None and entity not in names:
        raise UsageProblem(
            f"There is no entity {entity!r} in {lane.spec.name}. {did_you_mean(entity, names)}"
        )
