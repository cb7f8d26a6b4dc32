"""`strangler verify S`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from desk.cli import desk, telling
from desk.cli.commands import DeskCommand
from desk.errors import Exit

if TYPE_CHECKING:
    from sync.core.records import Mismatch
    from sync.verify import Verified

SHOWN = 20  # differences that a person reads; the others are counted, and in --json


@click.command(cls=DeskCommand)
@click.argument("name", metavar="S")
@telling.json_option
@click.pass_context
def verify(context: click.Context, name: str, as_json: bool) -> int:
    """Compare every row of slice S on both sides, while both are in use.

    A difference is told only when it is proven: nothing was on its way between the looks. Exit 1: there is
    one. Exit 4: rows changed faster than they could be looked at.
    """
    from desk.progress import Bar
    from desk.slices import opened
    from sync.verify import verify as run

    plan = desk.load(context)
    began = time.monotonic()
    with opened(plan, name) as both, Bar("verify") as bar:
        lane = both.lane()
        totals = {one.name: lane.authority.count(one.root(lane.source).name) for one in lane.spec.entities}
        found = run(lane, lambda entity, keys: bar.add(entity, keys, totals[entity]))
    code = Exit.NO if found.found else Exit.NOT_ENOUGH if found.unsettled else Exit.YES
    if as_json:
        telling.as_json("verify", {"slice": name, "seconds": time.monotonic() - began} | _json(found))
        return code
    show(found.found)
    took = time.monotonic() - began
    telling.data(f"{name}: {_sentence(found)} Looked at {found.keys:,} rows in {took:.1f} s.")
    telling.say(f"Next: strangler {_next(name, found)}")
    return code


def show(mismatches: list[Mismatch]) -> None:
    """The proven differences, the first of them as a table."""
    rows = [(one.kind, one.entity, spelled(one.key), one.detail) for one in mismatches[:SHOWN]]
    if rows:
        telling.table(("", "entity", "key", "difference"), rows, [telling.BAD] * len(rows))
    if len(mismatches) > SHOWN:
        telling.data(f"… and {len(mismatches) - SHOWN:,} more; all of them with --json")


def spelled(key: Any) -> str:
    """A key as `repair --key` takes it."""
    from sync.core.keys import text

    return str(key[0]) if len(key) == 1 else text(key)


def mismatch_json(one: Mismatch) -> dict[str, Any]:
    """One proven difference as JSON."""
    return {
        "entity": one.entity,
        "key": spelled(one.key),
        "kind": one.kind,
        "detail": one.detail,
        "at": one.at,
    }


def _sentence(found: Verified) -> str:
    if found.found:
        return "1 row differs." if len(found.found) == 1 else f"{len(found.found):,} rows differ."
    if found.unsettled:
        return f"no difference, but {len(found.unsettled):,} rows changed too fast to be looked at."
    return "no difference."


def _next(name: str, found: Verified) -> str:
    if found.found:
        return f"repair {name} --all"
    return f"verify {name}" if found.unsettled else f"flip {name} --to extracted --dry-run"


def _json(found: Verified) -> dict[str, Any]:
    return {
        "clean": found.clean,
        "keys": found.keys,
        "found": [mismatch_json(one) for one in found.found],
        "gone": len(found.gone),
        "unsettled": [{"entity": entity, "key": spelled(key)} for entity, key in found.unsettled],
    }
