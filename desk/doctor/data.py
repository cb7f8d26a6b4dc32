"""The data of the slices that are kept in step: databases, capture, relay, and what waits for a person."""

from __future__ import annotations

from collections.abc import Iterator

from desk.doctor.check import Check, bad, ok, warn
from desk.errors import DeskError
from desk.slices import synced
from desk.sync_look import SyncLook, look, next_command
from migration.core.plan import Plan
from migration.errors import LedgerError, PlanError


def examine(plan: Plan) -> Iterator[Check]:
    """Every slice whose data is kept in step."""
    for name in synced(plan):
        about = f"data of {name}"
        try:
            (seen,) = look(plan, [name])
        except (DeskError, PlanError, LedgerError) as error:
            what, _, cure = str(error).partition("\nNext: ")
            yield bad(about, what, cure or "correct it, then: strangler doctor")
            continue
        found = list(_slice(about, seen))
        yield from found or [ok(about, _well(seen))]


def _slice(about: str, seen: SyncLook) -> Iterator[Check]:
    now, cure = seen.status, next_command(seen)
    if not now.captured:
        yield warn(about, "capture is not installed on both sides: nothing is kept in step", cure)
        return
    if now.sentence or now.authority is None:
        yield bad(about, now.sentence or "no side is the authority", cure)
        return
    if now.situation != "steady":
        yield bad(about, f"a flip is half done ({now.situation}): both sides are closed", cure)
    for side, whole in seen.stamps.items():
        if whole is False:
            what = f"tables or triggers of the {side} side have changed since capture was installed"
            yield bad(about, what, f"look at them, then: strangler capture install {now.slice}")
    if seen.fuse:
        yield warn(about, seen.fuse, "see why the other side does not take them: strangler sync status")
    if now.held:
        yield warn(about, f"{now.held:,} rows are in quarantine", f"strangler redrive {now.slice}")
    if now.mismatches:
        yield bad(about, f"{now.mismatches:,} rows differ", f"strangler repair {now.slice} --all")
    yield from _relay(about, seen)


def _relay(about: str, seen: SyncLook) -> Iterator[Check]:
    state, sentence = seen.relay.get("state"), seen.relay.get("sentence") or ""
    if seen.leader is None:
        waits = f": {seen.status.pending:,} changes wait" if seen.status.pending else ""
        yield warn(about, f"nobody relays it{waits}", "strangler run sync, or strangler up")
    elif seen.relay.get("holder") == seen.leader and state in ("stopped", "away"):
        yield bad(about, f"its relay is {state}: {sentence}", f"strangler sync status {seen.status.slice}")
    elif seen.status.pending and (seen.status.oldest or 0.0) > 60.0:
        yield warn(about, f"{seen.status.pending:,} changes wait", "strangler sync status")


def _well(seen: SyncLook) -> str:
    now = seen.status
    return f"{now.authority} is the authority (epoch {now.epoch}); {now.pending:,} changes wait, none is held"
