"""`strangler flip S --to extracted|legacy`, and what ends one that is half done."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from desk.cli import desk, telling
from desk.cli.commands import DeskCommand
from desk.cli.verify import spelled
from desk.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migration.announce import LedgerAnnouncer
    from migration.core.plan import Plan
    from sync.core.rounds import Named
    from sync.core.values import Side
    from sync.flip import Flipped
    from sync.preflight import Preflight
    from sync.relay import Sessions


@click.command(cls=DeskCommand)
@click.argument("name", metavar="S")
@click.option("--to", "side", type=click.Choice(["extracted", "legacy"]), help="Who is to take the writes.")
@click.option("--dry-run", is_flag=True, help="Only say how long it would take, and what would be refused.")
@click.option(
    "--accept",
    "accepted",
    multiple=True,
    metavar="E=K",
    help="A row in quarantine that may stay behind: entity and key. It waits on in the other direction.",
)
@click.option(
    "--accept-unverified", "unverified", is_flag=True, help="Though no pass of verify is younger than a day."
)
@click.option(
    "--max-lag",
    type=click.FloatRange(0.01, 60),
    default=0.1,
    show_default=True,
    metavar="SECONDS",
    help="That a change may wait for its round when the flip begins; writes wait about twice as long.",
)
@click.option("--resume", is_flag=True, help="Bring a flip that was left half done to its end.")
@click.option("--abort", is_flag=True, help="Take back a flip that was left half done.")
@click.option("--reason", default="flip", show_default=True, metavar="TEXT", help="Why; kept in the audit.")
@telling.json_option
@click.pass_context
def flip(
    context: click.Context,
    name: str,
    side: str | None,
    dry_run: bool,
    accepted: tuple[str, ...],
    unverified: bool,
    max_lag: float,
    resume: bool,
    abort: bool,
    reason: str,
    as_json: bool,
) -> int:
    """Make the other side of slice S the authority over its writes, and back; nothing is lost either way.

    First it says in one sentence how long writes will wait and who would be refused afterwards. Exit 1: it is
    blocked (the sentence names the cure), or it was given up and everything is as before.
    """
    if (side is not None) + resume + abort != 1:
        raise click.UsageError("Say one of --to extracted, --to legacy, --resume and --abort.")
    if dry_run and side is None:
        raise click.UsageError("--dry-run goes with --to.")
    plan = desk.load(context)
    if side is not None:
        wish = _Wish(plan, name, side, accepted, unverified, max_lag, reason)
        return _dry_run(wish, as_json) if dry_run else _flip(wish, as_json)
    return _end(plan, name, "resume" if resume else "abort", accepted, reason, as_json)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What was typed."""

    plan: Plan
    name: str
    to: str
    accepted: tuple[str, ...]
    unverified: bool
    max_lag: float
    reason: str


def _dry_run(wish: _Wish, as_json: bool) -> int:
    from desk.slices import opened
    from sync.core.values import Side
    from sync.preflight import preflight

    with opened(wish.plan, wish.name) as both:
        excepted = _accepted(both, wish.accepted)
        checked = preflight(
            both,
            Side(wish.to),
            excepted,
            unverified=wish.unverified,
            max_lag=wish.max_lag,
            tell=telling.say,
        )
    return _tell_preflight(wish.name, checked, as_json)


def _flip(wish: _Wish, as_json: bool) -> int:
    from desk.signals import interrupted_once
    from desk.slices import opened
    from sync.core.values import Side
    from sync.flip import flip as run
    from sync.procedure import Patience

    target = Side(wish.to)
    with interrupted_once(), opened(wish.plan, wish.name) as both:
        excepted = _accepted(both, wish.accepted)
        with _announcer(wish.plan, wish.name, wish.reason) as announcer:
            done = run(
                both,
                target,
                announcer,
                accepted=excepted,
                patience=Patience(max_lag=wish.max_lag),
                unverified=wish.unverified,
                tell=telling.say,
            )
    return _tell(wish.name, done, target, as_json)


def _end(plan: Plan, name: str, goal: str, accepted: tuple[str, ...], reason: str, as_json: bool) -> int:
    from desk.slices import opened
    from sync.core.flip import Goal
    from sync.recover import recover

    with opened(plan, name) as both, _announcer(plan, name, reason) as announcer:
        done = recover(both, Goal(goal), announcer, accepted=_accepted(both, accepted))
    return _tell(name, done, None, as_json)


@contextmanager
def _announcer(plan: Plan, name: str, reason: str) -> Iterator[LedgerAnnouncer]:
    from migration.announce import LedgerAnnouncer
    from migration.bootstrap import open_ledger

    ledger = open_ledger(plan.ledger.url, create=False)
    try:
        yield LedgerAnnouncer(ledger, name, actor=desk.actor(), why=reason)
    finally:
        ledger.close()


def _accepted(both: Sessions, named: tuple[str, ...]) -> list[Named]:
    """The rows in quarantine that `E=K` names; each has to be one, else somebody misread a key."""
    if not named:
        return []
    lane = both.lane()
    held = {
        f"{one.entity}={spelled(one.key)}": (one.entity, one.key)
        for one in lane.follower.held(lane.spec.name)
    }
    strange = [each for each in named if each not in held]
    if strange:
        raise click.UsageError(f"{', '.join(strange)}: not in quarantine; see strangler sync status.")
    return [held[each] for each in named]


def _tell_preflight(name: str, checked: Preflight, as_json: bool) -> int:
    from sync.preflight import NOT_TRIED

    code = Exit.NO if checked.blockers else Exit.YES
    if as_json:
        telling.as_json(
            "flip",
            {"slice": name, "dry_run": True} | _preflight_json(checked) | {"not_tried": list(NOT_TRIED)},
        )
        return code
    for line in checked.blockers:
        telling.data(f"blocked: {line}", telling.BAD)
    for line in checked.warnings:
        telling.data(f"know: {line}", telling.WAIT)
    for line in checked.refused_writers:
        telling.data(f"would be refused: {line}", telling.WAIT)
    for line in NOT_TRIED:
        telling.say(f"not tried: {line}")
    telling.data(f"{name} to {checked.target}: {checked.sentence}.")
    again = f"flip {name} --to {checked.target}"
    then = f"sync status {name}" if checked.blockers or checked.done else again
    telling.say(f"Nothing was changed. Next: strangler {then}")
    return code


def _tell(name: str, done: Flipped, target: Side | None, as_json: bool) -> int:
    code = Exit.YES if target is None or done.authority is target else Exit.NO
    if as_json:
        telling.as_json("flip", {"slice": name, "dry_run": False} | _json(done))
        return code
    pause = f"; writes waited {done.paused_s * 1000:,.0f} ms at the databases" if done.paused_s else ""
    telling.data(f"{name}: {done.authority} is the authority, epoch {done.epoch}{pause}.")
    if done.sentence:
        telling.say(f"{done.sentence}.")
    back = "legacy" if done.authority == "extracted" else "extracted"
    telling.say(f"Next: strangler sync status {name}; back by: strangler flip {name} --to {back}")
    return code


def _json(done: Flipped) -> dict[str, Any]:
    return {
        "moved": done.moved,
        "authority": done.authority,
        "epoch": done.epoch,
        "sentence": done.sentence,
        "paused_seconds": done.paused_s,
        "held_seconds": done.held_s,
        "rounds": done.rounds,
        "compared": done.compared,
        "preflight": _preflight_json(done.preflight) if done.preflight is not None else None,
    }


def _preflight_json(checked: Preflight) -> dict[str, Any]:
    return {
        "to": checked.target,
        "ok": not checked.blockers,
        "sentence": checked.sentence,
        "blockers": list(checked.blockers),
        "warnings": list(checked.warnings),
        "would_be_refused": list(checked.refused_writers),
        "expected_pause_seconds": checked.expected_pause_s,
    }
